// Another password; every other session ends.
import { call } from "./signed-in-calls.js";
import { onSubmit } from "./form.js";
import { done } from "./section.js";

export function showPassword() {
  const form = document.getElementById("password-form");
  onSubmit(form, async ({ old_password, new_password }) => {
    await call("PUT", "/api/users/me/password", { old_password, new_password });
    form.reset();
    done("password");
  });
}
