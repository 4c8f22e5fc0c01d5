// Webhooks: added, looked into, turned off; what could not be delivered is sent again.
import { call, pages } from "./signed-in-calls.js";
import { confirmed } from "./dialog.js";
import { onSubmit } from "./form.js";
import { known, t, time } from "./messages.js";
import { done, fill, onClick, run } from "./section.js";

const section = document.getElementById("webhooks");
const dialog = document.getElementById("webhook-dialog");
const at = (id) => document.getElementById(id);

export async function showWebhooks() {
  const open = webhookDialog();
  onSubmit(at("webhook-form"), async ({ url, description }) => {
    const events = [...at("webhook-form").querySelectorAll("[name=events]:checked")].map((each) => each.value);
    const { data } = await call("POST", "/api/admin/webhooks", { url, events, ...(description && { description }) });
    at("webhook-form").reset();
    await load(open);
    showSecret(data.secret);
  });
  await run(section, () => load(open));
}

async function load(open) {
  const { value } = await pages("/api/admin/webhooks", { page_size: 100 }).next();
  fill(section, value.rows, (webhook) => ({
    url: webhook.url,
    of: webhook.url,
    off: webhook.is_active ? null : t(webhook.disabled_reason ?? "off"),
    description: webhook.description || null,
    meta: t("webhook", { events: webhook.events.join(", "), made: time(webhook.created_at) }),
    acts: { open: () => open(webhook) },
  }));
}

function showSecret(secret) {
  at("webhook-secret").textContent = secret;
  at("new-secret").hidden = false;
  at("new-secret").querySelector("h3").focus();
}

// Returns a function that opens the dialog for a webhook.
function webhookDialog() {
  let webhook = null;
  let deliveries = null;
  const path = () => `/api/admin/webhooks/${webhook.id}`;
  const more = dialog.querySelector('[data-act="more"]');
  const show = async (append) => {
    const { value } = await deliveries.next();
    fill(dialog, value.rows, described, { append });
    more.hidden = !value.more;
  };
  const open = async (opened) => {
    webhook = opened;
    at("webhook-name").textContent = webhook.url;
    at("webhook-on").hidden = webhook.is_active;
    at("webhook-off").hidden = !webhook.is_active;
    deliveries = pages(`${path()}/deliveries`);
    await show(false);
    if (!dialog.open) dialog.showModal();
  };
  const described = (delivery) => ({
    event: delivery.event,
    of: delivery.event,
    state: t(`deliveries.${delivery.state}`),
    meta: t("delivery", { at: time(delivery.occurred_at), n: delivery.attempts }),
    ...failure(delivery.last_error),
    acts: {
      resend: async () => {
        await call("POST", `${path()}/deliveries/${delivery.id}/resend`);
        await open(webhook);
        done("resent");
      },
    },
  });
  const turn = async (is_active) => {
    const { data } = await call("PUT", path(), { is_active });
    await load(open);
    await open(data);
    done("saved");
  };
  onClick(more, () => show(true));
  onClick(at("webhook-on"), () => turn(true));
  onClick(at("webhook-off"), () => turn(false));
  onClick(at("webhook-rotate"), async () => {
    const { data } = await confirmed(t("ask.rotate_secret"), () => call("POST", `${path()}/secret`));
    dialog.close();
    showSecret(data.secret);
  });
  onClick(at("webhook-delete"), async () => {
    await confirmed(t("ask.remove_webhook"), () => call("DELETE", path()));
    dialog.close();
    await load(open);
    done("removed");
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  return open;
}

// Why a message did not arrive, in the page's language, or in the API's words where the catalog does not have them.
function failure(words) {
  const translated = words && known("undelivered", words);
  return { failure: translated ?? null, words: translated ? null : (words ?? null) };
}
