// Users: found, invited, opened.
import { call, pages } from "./signed-in-calls.js";
import { onSubmit, values } from "./form.js";
import { t, time } from "./messages.js";
import { done, fill, onClick, run } from "./section.js";
import { userDialog } from "./user-dialog.js";

const section = document.getElementById("users");
const at = (id) => document.getElementById(id);

export async function showUsers(admin) {
  const more = section.querySelector('[data-act="more"]');
  const open = userDialog(admin, () => load());
  let found;
  const show = async (append) => {
    const { value } = await found.next();
    fill(section, value.rows, (user) => described(user, open), { append });
    more.hidden = !value.more;
    at("users-count").textContent = t("users", { n: value.total });
  };
  const load = () => {
    const filled = Object.entries(values(at("filter-form"))).filter(([, value]) => value);
    found = pages("/api/users", Object.fromEntries(filled));
    return show(false);
  };
  onSubmit(at("filter-form"), load);
  for (const choice of at("filter-form").querySelectorAll("select")) {
    choice.addEventListener("change", () => at("filter-form").requestSubmit());
  }
  onClick(more, () => show(true));
  onSubmit(at("invite-form"), async ({ email, full_name, role }) => {
    await call("POST", "/api/users", { email, full_name, role });
    at("invite-form").reset();
    await load();
    done("invited");
  });
  await run(section, load);
}

function described(user, open) {
  return {
    name: user.full_name,
    of: user.full_name,
    email: user.email,
    role: user.role === "admin" ? t("admin") : null,
    inactive: user.is_active ? null : t("inactive"),
    meta: t("user", { made: time(user.created_at), used: time(user.last_login_at) }),
    acts: { open: () => open(user.id) },
  };
}
