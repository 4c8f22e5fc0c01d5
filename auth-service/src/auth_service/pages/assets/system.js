// The state of the system, in short; the status page has it whole.
import { call } from "./signed-in-calls.js";
import { confirmed } from "./dialog.js";
import { t, time } from "./messages.js";
import { done, fill, onClick, run } from "./section.js";

const section = document.getElementById("system");

export async function showSystem() {
  onClick(document.getElementById("end-everywhere"), () =>
    confirmed(t("ask.end_everywhere"), async () => {
      await call("POST", "/api/admin/sessions/end-all");
      done("ended");
    }),
  );
  await run(section, load);
}

async function load() {
  const { status, components } = await health();
  document.getElementById("system-status").textContent = t(`statuses.${status}`);
  fill(section, components, ({ name, state, since, error, detail }) => ({
    name,
    state: t(`states.${state}`),
    meta: t("since", { at: time(since) }),
    // The checks' own words, with addresses and a driver's errors: in English for every reader.
    error: detail ?? error ?? null,
  }));
}

// An unhealthy system is answered with 503, and its state all the same.
async function health() {
  try {
    return (await call("GET", "/api/health")).data;
  } catch (error) {
    if (!error.data?.components) throw error;
    return error.data;
  }
}
