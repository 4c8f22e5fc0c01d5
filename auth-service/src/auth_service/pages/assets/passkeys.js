// The user's passkeys.
import { call, pages } from "./signed-in-calls.js";
import { withPassword } from "./dialog.js";
import { onSubmit } from "./form.js";
import { t, time } from "./messages.js";
import { areSupported, creation } from "./passkey.js";
import { done, fill, run } from "./section.js";

const section = document.getElementById("passkeys");

export async function showPasskeys() {
  const form = document.getElementById("passkey-form");
  form.hidden = !areSupported();
  onSubmit(form, async ({ name }) => {
    const options = await withPassword(t("ask.add_passkey"), ({ password }) =>
      call("POST", "/api/auth/passkeys/options", { password }),
    );
    const credential = await creation(options.data.public_key);
    await call("POST", "/api/auth/passkeys", { name, credential });
    form.reset();
    await load();
    done("passkey_added");
  });
  await run(section, load);
}

async function load() {
  const { value } = await pages("/api/auth/passkeys", { page_size: 100 }).next();
  fill(section, value.rows, ({ id, name, created_at, last_used_at }) => ({
    name,
    of: name,
    meta: t("used", { made: time(created_at), used: time(last_used_at) }),
    acts: {
      remove: async () => {
        await withPassword(t("ask.remove_passkey", { name }), ({ password }) =>
          call("DELETE", `/api/auth/passkeys/${id}`, { password }),
        );
        await load();
        done("removed");
      },
    },
  }));
}
