// A part of a page: buttons that work, lists that load, each with its own place for what goes wrong.
import { say } from "./form.js";
import { ApiError } from "./http.js";
import { problem, t } from "./messages.js";

// Runs `work` on click. An error is shown in the button's section.
export function onClick(button, work) {
  button.addEventListener("click", () => run(button.closest("section, dialog"), () => work(button), button));
}

export async function run(section, work, button = section) {
  if (button.getAttribute("aria-busy") === "true") return;
  section.querySelector(":scope > .alert").hidden = true;
  const hadFocus = button === document.activeElement;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code !== "CANCELLED") say(section, problem(error));
  } finally {
    button.removeAttribute("aria-busy");
    if (hadFocus) refocus(section);
  }
}

const isVisible = (element) => element.getClientRects().length > 0;

// The control that had the focus may be gone, or hidden, by what it did: a keyboard goes on at the section's heading,
// not at the beginning of the page. What is hidden has the focus until the page is painted.
function refocus(section) {
  const { activeElement } = document;
  if (activeElement !== document.body && isVisible(activeElement)) return;
  const place = [section, ...document.querySelectorAll("main section")].find(isVisible);
  const heading = place?.querySelector("h2");
  if (!heading) return; // The page is being left.
  heading.tabIndex = -1;
  heading.focus();
}

// Says that something was done, to the eye and to screen readers. A dialog that is open hides what is outside of it,
// and one in which it was done may be about to close. The same words twice are read twice only if they were gone.
export function done(name) {
  const region = document.getElementById("announce");
  const toast = Object.assign(document.createElement("p"), { className: "toast", textContent: t(`done.${name}`) });
  toast.setAttribute("aria-hidden", "true");
  region.textContent = "";
  setTimeout(() => {
    const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
    place.append(region, toast);
    region.textContent = toast.textContent;
  }, 100);
  setTimeout(() => toast.remove(), 4000);
}

// Shows rows in the section's list by its template. `describe` gives the text of each `data-field` (null removes it)
// and under `acts` what its buttons do.
export function fill(section, rows, describe, { append = false } = {}) {
  const list = section.querySelector(".rows");
  const made = rows.map((row) => {
    const item = section.querySelector("template").content.firstElementChild.cloneNode(true);
    const { acts = {}, ...texts } = describe(row);
    for (const [name, text] of Object.entries(texts)) {
      const place = item.querySelector(`[data-field="${name}"]`);
      if (text === null) place?.remove();
      else if (place) place.textContent = text;
    }
    for (const button of item.querySelectorAll("[data-act]")) {
      const work = acts[button.dataset.act];
      if (work) button.addEventListener("click", () => run(section, work, button));
      else button.remove();
    }
    return item;
  });
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  if (append) list.append(...made);
  else list.replaceChildren(...made);
  if (!append && focused >= 0) [...list.children].at(Math.min(focused, made.length - 1))?.querySelector("button")?.focus();
  list.dataset.isEmpty = list.children.length === 0;
}

export function download(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
