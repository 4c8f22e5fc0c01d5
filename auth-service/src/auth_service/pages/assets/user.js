// The signed-in user, and what the frame of a page shows of it.
import { call, signOut } from "./signed-in-calls.js";
import { ApiError } from "./http.js";
import { problem } from "./messages.js";
import { claims } from "./session.js";

// Returns the user; leaves the page when there is none, and says so when it cannot be known.
export async function signedIn() {
  // Without a user there is no page: its rest waits for a reload.
  const { data: user, etag } = (await orReport(() => call("GET", "/api/users/me"))) ?? (await new Promise(() => {}));
  for (const input of document.querySelectorAll("[data-username]")) input.value = user.email;
  for (const part of document.querySelectorAll("[data-admin]")) part.hidden = user.role !== "admin";
  document.getElementById("sign-out").addEventListener("click", () => orReport(signOut));
  return { ...user, etag, sessionId: claims().sid };
}

async function orReport(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const notice = document.getElementById("unreachable");
    notice.querySelector("span").textContent = problem(error);
    notice.hidden = false;
    const main = document.querySelector("main");
    if (main.hidden) main.replaceChildren(main.querySelector("h1"), notice);
    main.hidden = false;
    return null;
  }
}
