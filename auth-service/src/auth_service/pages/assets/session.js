// The session of this page. The access token is in memory alone; the refresh token is in a cookie that no script
// can read, which counts for requests of this origin that ask for it.
import { send } from "./http.js";

export const AS_COOKIE = { "X-Refresh-Token-In": "cookie" };

const tabs = new BroadcastChannel("vestibule");
let token = null;
let refreshing = null;

export const accessToken = () => token;

export function keep(tokens) {
  token = tokens.access_token;
}

// Gets a new access token; callers at the same time share one. It outlives a page that is left meanwhile, since the
// new cookie comes with the answer.
export function refresh() {
  refreshing ??= send("POST", "/api/auth/refresh", { body: {}, headers: AS_COOKIE, keepalive: true, keyed: false })
    .then(({ data }) => keepRefreshed(data))
    .finally(() => {
      refreshing = null;
    });
  return refreshing;
}

// The cookie is another user's when that user has signed in in another tab: then this page, which shows the data of
// the first, must not act for the second.
async function keepRefreshed(tokens) {
  const before = token && claims().sub;
  keep(tokens);
  if (!before || claims().sub === before) return;
  location.reload();
  await new Promise(() => {});
}

export function claims() {
  const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (each) => each.charCodeAt(0))));
}

// Leaves for the page to sign in on, which leads back here. Other tabs leave too.
export function leave(reason, { others = false, back = true } = {}) {
  token = null;
  if (others) tabs.postMessage(reason);
  document.querySelector("main").replaceChildren();
  const query = new URLSearchParams(reason ? { reason } : {});
  if (back) query.set("next", location.pathname + location.hash);
  location.replace(`/signin?${query}`);
}

// No data is on the page once it is left: what the back button shows is loaded again.
export function guard() {
  tabs.addEventListener("message", ({ data }) => leave(data, { back: false }));
  addEventListener("pagehide", () => {
    token = null;
    document.querySelector("main").replaceChildren();
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload();
  });
}
