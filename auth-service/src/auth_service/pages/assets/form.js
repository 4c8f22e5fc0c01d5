// Forms: what is sent, and what is wrong with it, said beside the field.
import { ApiError } from "./http.js";
import { fieldProblem, knownProblem, problem, t } from "./messages.js";

const MALFORMED = { email: "not an e-mail address", url: "is not a URL" };

// Runs `work` with the form's values on submit. What it throws is shown in the form.
export function onSubmit(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    clear(form);
    if (!isFilled(form)) return;
    form.setAttribute("aria-busy", "true");
    try {
      await work(values(form), event.submitter);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      show(form, error);
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}

export function values(form) {
  const found = Object.fromEntries(new FormData(form));
  for (const input of form.querySelectorAll("[data-code]")) found[input.name] = input.value.replace(/\s/g, "");
  return found;
}

export function clear(form) {
  for (const error of form.querySelectorAll(".error, .alert")) error.hidden = true;
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

export function show(form, error) {
  if (error.code === "CANCELLED") return;
  const alone = error.fields.filter((each) => !mark(form, each.field, fieldProblem(each.message, error.code)));
  if (alone.length === 0 && error.fields.length > 0) {
    form.querySelector("[aria-invalid]").focus();
    return;
  }
  say(form, alone.map((each) => knownProblem(each.message)).find(Boolean) ?? problem(error));
}

export function say(form, words) {
  const alert = form.querySelector(".alert");
  alert.textContent = words;
  alert.hidden = false;
}

function isFilled(form) {
  for (const input of form.querySelectorAll("input")) {
    const { badInput, rangeOverflow, typeMismatch } = input.validity;
    // Half a date has no value: it would be no date.
    if (badInput || rangeOverflow) mark(form, input.name, t("rules.VALIDATION_ERROR"));
    else if (input.required && !input.value.trim()) mark(form, input.name, t("rules.is required"));
    else if (typeMismatch) mark(form, input.name, t(`rules.${MALFORMED[input.type]}`));
  }
  const first = form.querySelector("[aria-invalid]");
  first?.focus();
  return !first;
}

// Says what is wrong with a field; returns false if the form does not have it.
function mark(form, name, words) {
  const input = [...form.elements].find((each) => each.name === name);
  const error = input && document.getElementById(`${input.id}-error`);
  if (!error) return false;
  input.setAttribute("aria-invalid", "true");
  error.textContent = words;
  error.hidden = false;
  return true;
}
