// Signing in, and what leads to it. The path says which step is first; steps follow each other in one document.
import { onSubmit, say } from "./form.js";
import { ApiError, send } from "./http.js";
import { problem, t } from "./messages.js";
import { nextPage } from "./next-page.js";
import { areSupported, assertion } from "./passkey.js";
import { AS_COOKIE } from "./session.js";
import { start } from "./shell.js";

const OFFERED_AGAIN_MS = 4 * 60 * 1000;

const query = new URLSearchParams(location.search);
const form = (id) => document.getElementById(id);
let mfaToken = null;
let offer = null;

// The token of a mail's link leaves the address, and so the history; this document keeps it over a reload.
if (query.has("token")) history.replaceState({ token: query.get("token") }, "", location.pathname);
const mailed = () => ({ token: history.state?.token });

start();
if (!window.isSecureContext) say(form("password-form"), t("insecure"));
form("passkey-form").hidden = document.querySelector(".or").hidden = !areSupported();
go(location.pathname.slice(1));

const reason = t(`reasons.${query.get("reason")}`);
if (!reason.startsWith("reasons.")) {
  document.getElementById("signed-out").textContent = reason;
  document.getElementById("signed-out").hidden = false;
}

addEventListener("popstate", () => go(location.pathname.slice(1), { focus: true }));
for (const link of document.querySelectorAll("[data-step-link]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.pathname + (query.has("next") ? `?${new URLSearchParams({ next: query.get("next") })}` : ""));
    go(link.pathname.slice(1), { focus: true });
  });
}

onSubmit(form("password-form"), async ({ email, password }) => {
  offer?.abort();
  try {
    await signedIn(await send("POST", "/api/auth/login", { body: { email, password }, headers: AS_COOKIE }));
  } catch (error) {
    offerPasskeys();
    throw error;
  }
});

onSubmit(form("passkey-form"), async () => {
  offer?.abort();
  try {
    await signInWith(await assertion());
  } catch (error) {
    offerPasskeys();
    throw error;
  }
});

onSubmit(form("code-form"), async ({ code }) => {
  try {
    await signedIn(await send("POST", "/api/auth/mfa/verify", { body: { mfa_token: mfaToken, code }, headers: AS_COOKIE }));
  } catch (error) {
    if (error.code === "INVALID_CREDENTIALS") error.fields = [{ field: "code", message: "is not the code of this moment" }];
    if (!["TOKEN_INVALID", "TOKEN_EXPIRED"].includes(error.code)) throw error;
    go("signin", { focus: true });
    say(form("password-form"), t("reasons.expired"));
  }
});

onSubmit(form("forgot-form"), async ({ email }) => {
  await send("POST", "/api/auth/password/forgot", { body: { email } });
  go("forgot-sent", { focus: true });
});

onSubmit(form("reset-form"), async ({ new_password }) => {
  await spend("/api/auth/password/reset", { new_password });
  go("reset-done", { focus: true });
});

onSubmit(form("verify-form"), async () => {
  await spend("/api/auth/email/verify");
  go("verify-done", { focus: true });
});

onSubmit(form("undo-form"), async () => {
  await spend("/api/auth/email/undo");
  go("undo-done", { focus: true });
});

onSubmit(form("register-form"), async ({ full_name, email, password }) => {
  await send("POST", "/api/auth/register", { body: { full_name, email, password } });
  await signedIn(await send("POST", "/api/auth/login", { body: { email, password }, headers: AS_COOKIE }));
});

async function spend(path, body = {}) {
  try {
    await send("POST", path, { body: { ...mailed(), ...body } });
  } catch (error) {
    if (error.code.startsWith("TOKEN_")) error.code = "LINK_SPENT";
    throw error;
  }
  history.replaceState(null, "");
}

async function signedIn({ data }) {
  if (!data.mfa_required) {
    location.replace(nextPage(query.get("next")));
    // The form stays busy until the next page is there.
    await new Promise(() => {});
  }
  mfaToken = data.mfa_token;
  go("code");
  document.getElementById("code").focus();
}

async function signInWith(credential) {
  await signedIn(await send("POST", "/api/auth/passkeys/login", { body: { credential }, headers: AS_COOKIE }));
}

// Lets the browser offer passkeys where the address is typed. Options are good for five minutes, so they are renewed.
async function offerPasskeys() {
  if (!areSupported() || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offer?.abort();
  const mine = (offer = new AbortController());
  const renewed = setTimeout(offerPasskeys, OFFERED_AGAIN_MS);
  try {
    await signInWith(await assertion({ conditional: true, signal: mine.signal }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The user did not ask for it yet: only a refused passkey is worth words.
    if (error.code === "INVALID_CREDENTIALS") say(form("passkey-form"), problem(error));
  } finally {
    clearTimeout(renewed);
  }
}

function go(step, { focus = false } = {}) {
  const needsToken = ["reset-password", "verify-email", "undo-email"].includes(step);
  const shown = needsToken && !mailed().token ? "no-token" : step;
  for (const section of document.querySelectorAll("[data-step]")) section.hidden = section.dataset.step !== shown;
  const heading = document.querySelector(`[data-step="${shown}"] h1`);
  document.title = `${heading.textContent} · ${document.body.dataset.title}`;
  if (focus) heading.focus();
  if (shown === "signin") offerPasskeys();
  else offer?.abort();
}
