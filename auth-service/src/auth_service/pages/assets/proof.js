// Asks in a dialog for a fresh proof of who the user is; signed-in-calls.js decides when, and repeats the call. Calls at
// the same time wait for one answer.
import { dialog } from "./dialog.js";
import { show } from "./form.js";
import { ApiError, send } from "./http.js";
import { areSupported, assertion } from "./passkey.js";
import { accessToken, keep } from "./session.js";

let question = null;
let asking = null;

export function prove() {
  question ??= prepare();
  const code = question.form.querySelector("[data-code-part]");
  asking ??= question("", async ({ password, code: digits }) => {
    try {
      await reauthenticate({ password, ...(digits && { code: digits }) });
    } catch (error) {
      if (error.fields.some(({ field }) => field === "code")) {
        const first = code.hidden;
        code.hidden = false;
        code.querySelector("input").focus();
        if (first) throw new ApiError(0, { code: "CODE_NEEDED" });
      }
      throw error;
    }
  }).finally(() => {
    asking = null;
  });
  return asking;
}

function prepare() {
  const made = dialog("proof-dialog");
  const button = made.form.querySelector("[data-passkey]");
  button.hidden = !areSupported();
  button.addEventListener("click", async () => {
    try {
      await reauthenticate({ credential: await assertion() });
      made.finish();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      show(made.form, error);
    }
  });
  return made;
}

async function reauthenticate(body) {
  const { data } = await send("POST", "/api/auth/reauthenticate", { body, token: accessToken() });
  keep(data);
}
