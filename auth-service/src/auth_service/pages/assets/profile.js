// Name and address; an address counts once it is confirmed.
import { call } from "./signed-in-calls.js";
import { onSubmit } from "./form.js";
import { t } from "./messages.js";
import { done, onClick, run } from "./section.js";

const at = (id) => document.getElementById(id);

export function showProfile(user) {
  let shown = user;
  const update = (data) => {
    shown = data;
    at("full-name").value = data.full_name;
    at("email").value = data.email;
    at("unverified").hidden = data.email_verified;
    at("pending").hidden = !data.pending_email;
    at("pending").querySelector("span").textContent = t("pending", { email: data.pending_email });
  };
  update(user);
  onSubmit(at("name-form"), async ({ full_name }) => {
    update((await call("PUT", "/api/users/me", { full_name })).data);
    done("saved");
  });
  onSubmit(at("email-form"), async ({ email }) => {
    update((await call("PUT", "/api/users/me", { email })).data);
    done(shown.pending_email ? "mailed" : "saved");
  });
  onClick(at("cancel-pending"), async () => {
    update((await call("PUT", "/api/users/me", { email: shown.email })).data);
    done("saved");
  });
  at("resend").addEventListener("click", () =>
    run(at("profile"), async () => {
      await call("POST", "/api/auth/email/resend");
      done("mailed");
    }),
  );
}
