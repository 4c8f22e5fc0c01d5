// One user, and what an admin may do about it. The user gets a mail about each change, and it is audited.
import { call, pages } from "./signed-in-calls.js";
import { confirmed } from "./dialog.js";
import { onSubmit } from "./form.js";
import { t } from "./messages.js";
import { done, fill, onClick } from "./section.js";
import { words } from "./sessions.js";

const dialog = document.getElementById("user-dialog");
const at = (id) => document.getElementById(id);

// Returns a function that opens the dialog for a user's id.
export function userDialog(admin, changed) {
  let user = null;
  let etag = null;
  let sessions = null;
  const path = () => `/api/users/${user.id}`;
  const more = dialog.querySelector('[data-act="more"]');
  const loadSessions = async (append) => {
    const { value } = await sessions.next();
    fill(dialog, value.rows, words, { append });
    more.hidden = !value.more;
  };
  onClick(more, () => loadSessions(true));
  const load = async (id) => {
    ({ data: user, etag } = await call("GET", `/api/users/${id}`));
    sessions = pages(`${path()}/sessions`);
    await loadSessions(false);
    show(user, user.id === admin.id);
  };
  const change = async (fields) => {
    await call("PUT", path(), fields, { headers: { "If-Match": etag } });
    await load(user.id);
    await changed();
  };
  const save = async (fields) => {
    await change(fields);
    done("saved");
  };
  const act = (id, name, work) =>
    onClick(at(id), () =>
      confirmed(t(`ask.${name}`, { name: user.full_name }), async () => {
        await work();
        done(name);
      }),
    );
  onSubmit(at("role-form"), ({ role }) => save({ role }));
  onClick(at("user-activate"), () => save({ is_active: true }));
  act("user-deactivate", "deactivate", () => change({ is_active: false }));
  act("user-mfa", "user_mfa", () => call("DELETE", `${path()}/mfa`));
  act("user-end", "user_end", async () => {
    await call("DELETE", `${path()}/sessions`);
    await load(user.id);
  });
  act("user-erase", "user_erase", async () => {
    await call("DELETE", path());
    dialog.close();
    await changed();
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  return async (id) => {
    dialog.querySelector(".alert").hidden = true;
    await load(id);
    dialog.showModal();
  };
}

// What concerns oneself is on the account's page.
function show(user, isSelf) {
  at("user-name").textContent = user.full_name;
  at("user-email").textContent = user.email;
  at("user-id").textContent = user.id;
  at("user-role").value = user.role;
  at("role-form").hidden = isSelf;
  at("user-deactivate").hidden = isSelf || !user.is_active;
  at("user-activate").hidden = isSelf || user.is_active;
  for (const id of ["user-mfa", "user-erase", "user-end"]) at(id).hidden = isSelf;
}
