// The signed-in user, and what the frame of a page shows of it.
import { call, signOut } from "./api.js";
import { ApiError } from "./http.js";
import { problem } from "./messages.js";
import { claims } from "./session.js";

// Returns the user; leaves the page when there is none, and says so when it cannot be known.
export async function signedIn() {
  const { data: user, etag } = await loaded();
  for (const input of document.querySelectorAll("[data-username]")) input.value = user.email;
  for (const part of document.querySelectorAll("[data-admin]")) part.hidden = user.role !== "admin";
  document.getElementById("sign-out").addEventListener("click", () => signOut());
  return { ...user, etag, sessionId: claims().sid };
}

async function loaded() {
  try {
    return await call("GET", "/api/users/me");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const notice = document.getElementById("unreachable");
    notice.querySelector("span").textContent = problem(error);
    notice.hidden = false;
    // The rest of the page waits for its reload.
    return new Promise(() => {});
  }
}
