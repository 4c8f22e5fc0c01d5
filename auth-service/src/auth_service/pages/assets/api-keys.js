// Keys for programs that act in the user's name.
import { call, pages } from "./signed-in-calls.js";
import { confirmed } from "./dialog.js";
import { onSubmit } from "./form.js";
import { ApiError } from "./http.js";
import { t, time } from "./messages.js";
import { done, fill, onClick, run } from "./section.js";

const section = document.getElementById("api-keys");
const at = (id) => document.getElementById(id);

export async function showApiKeys() {
  onSubmit(at("key-form"), async ({ name, expires_at }) => {
    const scopes = [...at("key-form").querySelectorAll("[name=scopes]:checked")].map((each) => each.value);
    const expires = expires_at ? { expires_at: new Date(`${expires_at}T23:59:59`).toISOString() } : {};
    const { data } = await call("POST", "/api/auth/api-keys", { name, scopes, ...expires });
    at("key-text").textContent = data.key;
    at("new-key").hidden = false;
    at("key-form").reset();
    await load();
    at("new-key").querySelector("h3").focus();
  });
  onClick(at("key-copy"), async () => {
    try {
      await navigator.clipboard.writeText(at("key-text").textContent);
    } catch {
      throw new ApiError(0, { code: "COPY_REFUSED" });
    }
    done("copied");
  });
  await run(section, load);
}

async function load() {
  const { value } = await pages("/api/auth/api-keys", { page_size: 100 }).next();
  fill(section, value.rows, ({ id, name, prefix, scopes, expires_at, last_used_at }) => ({
    name,
    of: name,
    prefix: `${prefix}…`,
    meta: t("key", { scopes: scopes.join(", "), used: time(last_used_at), until: time(expires_at) }),
    acts: {
      revoke: async () => {
        await confirmed(t("ask.revoke_key", { name }), () => call("DELETE", `/api/auth/api-keys/${id}`));
        at("new-key").hidden = true;
        at("key-text").textContent = "";
        await load();
        done("removed");
      },
    },
  }));
}
