// The audit: filtered, walked from end to end, taken along.
import { call, pages } from "./signed-in-calls.js";
import { onSubmit, say, values } from "./form.js";
import { t, time } from "./messages.js";
import { done, download, fill, onClick, run } from "./section.js";

// What a page keeps in memory; the archive (`audit export`) has all.
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
  const events = [];
  let more = false;
  for await (const page of pages("/api/admin/audit-events", { ...wanted(), page_size: 100 })) {
    events.push(...page.rows);
    ({ more } = page);
    if (events.length >= EXPORTED_MAX) break;
  }
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  download("audit.jsonl", lines.join(""), "application/x-ndjson");
  done("exported");
  if (!more) return;
  // The field is in minutes: the next one, so that no entry is in neither file.
  const next = new Date(Date.parse(events.at(-1).occurred_at) + 60_000);
  say(section, t("cut", { n: events.length, at: time(next) }));
}
