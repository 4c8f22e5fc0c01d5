// What every page does: shows its content, changes the language, shows a password on request.
import { t } from "./messages.js";

const YEAR_SECONDS = 365 * 24 * 60 * 60;

// Scripts run: what says that they do not is not needed.
document.querySelector(".late").remove();

export function start() {
  document.querySelector("main").hidden = false;
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      document.cookie = `vestibule_language=${button.dataset.language}; Path=/; SameSite=Lax; Max-Age=${YEAR_SECONDS}`;
      location.reload();
    });
  }
  for (const button of document.querySelectorAll("[data-reveal]")) {
    button.addEventListener("click", () => reveal(button));
  }
}

function reveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  const shown = input.type === "password";
  input.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
  button.firstChild.textContent = t(shown ? "hide" : "show");
}
