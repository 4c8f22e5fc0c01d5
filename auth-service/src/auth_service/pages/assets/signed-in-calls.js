// Calls of the API by the signed-in user. Here is decided what a refused call needs before it is repeated: a new access
// token (session.js), or a fresh proof of who the user is (proof.js).
import { send } from "./http.js";
import { prove } from "./proof.js";
import { accessToken, leave, refresh } from "./session.js";

const RENEWABLE = new Set(["TOKEN_EXPIRED", "TOKEN_REVOKED", "TOKEN_INVALID"]);

// `endsSession`: the call ends this session; where it had no answer, its repetition is refused because of that.
export async function call(method, path, body, { endsSession = false, ...options } = {}) {
  if (!accessToken()) await renew();
  for (let renewed = false; ; ) {
    try {
      return await send(method, path, { ...options, body, token: accessToken() });
    } catch (error) {
      if (endsSession && error.repeated && error.code === "TOKEN_REVOKED") return { data: null };
      if (RENEWABLE.has(error.code) && !renewed) {
        await renew();
        renewed = true;
      } else if (error.code === "REAUTHENTICATION_REQUIRED") await prove();
      else throw error;
    }
  }
}

// Yields the pages of a list until the caller has enough.
export async function* pages(path, query = {}) {
  for (let cursor; ; ) {
    const wanted = new URLSearchParams({ ...query, ...(cursor && { cursor }) });
    const { data, metadata } = await call("GET", `${path}?${wanted}`);
    cursor = metadata.pagination.next_cursor;
    yield { rows: data, total: metadata.pagination.total_items, more: Boolean(cursor) };
    if (!cursor) return;
  }
}

export async function signOut(path = "/api/auth/logout") {
  await call("POST", path, undefined, { endsSession: true });
  leave("signed_out", { others: true, back: false });
}

async function renew() {
  try {
    await refresh();
  } catch (error) {
    if (error.status !== 401) throw error;
    leave(error.code === "UNAUTHENTICATED" ? "" : "expired");
    // Nothing goes on: the page is being left.
    await new Promise(() => {});
  }
}
