// Questions in place: each dialog is a form, and stays open until what it is for has succeeded.
import { clear, onSubmit } from "./form.js";
import { ApiError } from "./http.js";

// Returns a function that asks and then does: `ask(words, work)` resolves with what `work(values)` returns, and rejects
// with CANCELLED when the user closes the dialog.
export function dialog(id) {
  const element = document.getElementById(id);
  const form = element.querySelector("form");
  let work = null;
  let settle = null;
  const finish = (result) => {
    settle.resolve(result);
    element.close();
  };
  onSubmit(form, async (values) => finish(await work(values)));
  element.addEventListener("close", () => {
    form.reset();
    settle.reject(new ApiError(0, { code: "CANCELLED" }));
  });
  element.querySelector("[data-close]").addEventListener("click", () => element.close());
  const ask = (words, task) => {
    clear(form);
    const place = element.querySelector("[data-words]");
    if (place) place.textContent = words;
    work = task;
    element.showModal();
    // Browsers take the first field, and that is for password managers alone.
    form.querySelector("input:not(.unseen)")?.focus();
    return new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
  };
  return Object.assign(ask, { form, finish });
}

export const confirmed = (words, work) => (questions.confirm ??= dialog("confirm-dialog"))(words, work);
export const withPassword = (words, work) => (questions.password ??= dialog("password-dialog"))(words, work);

const questions = {};
