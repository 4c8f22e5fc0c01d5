// The second factor: off, being set up, its recovery codes shown once, on.
import { call } from "./signed-in-calls.js";
import { withPassword } from "./dialog.js";
import { onSubmit } from "./form.js";
import { t } from "./messages.js";
import { done, download, onClick, run } from "./section.js";
import { refresh } from "./session.js";

const section = document.getElementById("second-factor");
const at = (id) => document.getElementById(id);

export async function showSecondFactor() {
  let codes = [];
  onClick(at("totp-begin"), async () => {
    const { data } = await call("POST", "/api/auth/mfa/totp");
    const image = new DOMParser().parseFromString(data.qr_code, "image/svg+xml").documentElement;
    at("qr-code").replaceChildren(document.adoptNode(image));
    at("totp-secret").textContent = data.secret.replace(/(.{4})(?=.)/g, "$1 ");
    turn("setup");
  });
  onSubmit(at("totp-form"), async ({ code }) => {
    codes = (await call("POST", "/api/auth/mfa/totp/confirm", { code })).data.recovery_codes;
    at("recovery-codes").replaceChildren(
      ...codes.map((each) => Object.assign(document.createElement("li"), { textContent: each })),
    );
    at("qr-code").replaceChildren();
    at("totp-secret").textContent = "";
    at("totp-form").reset();
    turn("codes");
    // An admin who had to set one up may do everything from the next access token on.
    await refresh();
  });
  onClick(at("codes-save"), () => download("recovery-codes.txt", `${codes.join("\n")}\n`, "text/plain"));
  onClick(at("codes-done"), () => {
    codes = [];
    at("recovery-codes").replaceChildren();
    return load();
  });
  onClick(at("totp-remove"), async () => {
    await withPassword(t("ask.remove_mfa"), ({ password }) => call("DELETE", "/api/auth/mfa/totp", { password }));
    turn("off");
    done("mfa_off");
  });
  await run(section, load);
}

async function load() {
  const { data } = await call("GET", "/api/auth/mfa");
  at("codes-left").textContent = t("codes_left", { n: data.recovery_codes_left });
  turn(data.totp ? "on" : "off");
}

function turn(state) {
  for (const part of section.querySelectorAll("[data-state]")) part.hidden = part.dataset.state !== state;
  section.querySelector(`[data-state="${state}"] h3`)?.focus();
}
