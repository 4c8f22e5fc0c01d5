// The signed-in user, and what the frame of a page shows of it.
import { call, signOut } from "./api.js";
import { claims } from "./session.js";

// Returns the user; leaves the page when there is none.
export async function signedIn() {
  const { data: user, etag } = await call("GET", "/api/users/me");
  for (const input of document.querySelectorAll("[data-username]")) input.value = user.email;
  for (const part of document.querySelectorAll("[data-admin]")) part.hidden = user.role !== "admin";
  document.getElementById("sign-out").addEventListener("click", () => signOut());
  return { ...user, etag, sessionId: claims().sid };
}
