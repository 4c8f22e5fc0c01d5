// Passkeys, by the browser's own functions for WebAuthn.
import { ApiError, send } from "./http.js";

export const areSupported = () => Boolean(window.PublicKeyCredential?.parseRequestOptionsFromJSON);

// Asks for an assertion of any passkey of this site. With `conditional` the browser offers them where the address is
// typed, and this waits for as long as it takes.
export async function assertion({ conditional = false, signal } = {}) {
  const { data } = await send("POST", "/api/auth/passkeys/login/options", { keyed: false });
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(data.public_key);
  const mediation = conditional ? "conditional" : "optional";
  return asked(() => navigator.credentials.get({ publicKey, signal, mediation }));
}

export async function creation(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return asked(() => navigator.credentials.create({ publicKey }));
}

async function asked(question) {
  try {
    const credential = await question();
    return credential.toJSON();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    const code = { SecurityError: "PASSKEY_ADDRESS", InvalidStateError: "PASSKEY_KNOWN" }[error.name] ?? "CANCELLED";
    throw new ApiError(0, { code });
  }
}
