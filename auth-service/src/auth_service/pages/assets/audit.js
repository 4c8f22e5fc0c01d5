// The audit: filtered, walked from end to end, taken along.
import { call, pages } from "./api.js";
import { onSubmit, values } from "./form.js";
import { t, time } from "./messages.js";
import { done, download, fill, onClick, run } from "./section.js";

const EXPORTED_MAX = 10000;

const section = document.getElementById("audit");
const at = (id) => document.getElementById(id);

export async function showAudit() {
  const more = section.querySelector('[data-act="more"]');
  let found;
  const show = async (append) => {
    const { value } = await found.next();
    fill(section, value.rows, described, { append });
    more.hidden = !value.more;
  };
  const load = () => {
    found = pages("/api/admin/audit-events", wanted());
    return show(false);
  };
  onSubmit(at("audit-form"), load);
  onClick(more, () => show(true));
  onClick(at("verify"), verify);
  onClick(at("audit-export"), exportAll);
  await run(section, load);
}

function wanted() {
  const query = Object.entries(values(at("audit-form"))).filter(([, value]) => value);
  const isTime = (name) => name === "since" || name === "until";
  return Object.fromEntries(query.map(([name, value]) => [name, isTime(name) ? new Date(value).toISOString() : value]));
}

function described(event) {
  const details = Object.entries(event.details).map(([name, value]) => `${name}: ${value}`);
  return {
    action: event.action,
    outcome: t(`outcomes.${event.outcome}`),
    when: t("event", { n: event.sequence, at: time(event.occurred_at), ip: event.ip || "–" }),
    who: t("actor", { actor: event.actor_id || "–", subject: event.subject_id || "–" }),
    details: details.length > 0 ? details.join(" · ") : null,
  };
}

async function verify() {
  const { data } = await call("GET", "/api/admin/audit-events/verify");
  const verdict = at("verdict");
  verdict.dataset.intact = data.intact;
  verdict.textContent = data.intact
    ? t("intact", { n: data.events, witnessed: data.witnessed ?? 0 })
    : t("broken", { n: data.first_broken ?? "–", problem: data.problem ?? data.unwitnessed ?? "" });
  verdict.hidden = false;
}

// One event per line, the newest first.
async function exportAll() {
  const lines = [];
  for await (const { rows } of pages("/api/admin/audit-events", { ...wanted(), page_size: 100 })) {
    lines.push(...rows.map((event) => JSON.stringify(event)));
    if (lines.length >= EXPORTED_MAX) break;
  }
  download("audit.jsonl", `${lines.join("\n")}\n`, "application/x-ndjson");
  done("exported");
}
