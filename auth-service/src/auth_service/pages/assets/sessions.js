// Where the user is signed in.
import { call, pages, signOut } from "./signed-in-calls.js";
import { confirmed } from "./dialog.js";
import { t, time } from "./messages.js";
import { done, fill, onClick, run } from "./section.js";

export async function showSessions() {
  const section = document.getElementById("sessions");
  onClick(document.getElementById("end-all"), () =>
    confirmed(t("ask.end_all"), () => signOut("/api/auth/logout-all")),
  );
  let next = pages("/api/auth/sessions");
  const load = async (append) => {
    const { value } = await next.next();
    fill(section, value.rows, described, { append });
    more.hidden = !value.more;
  };
  const more = section.querySelector('[data-act="more"]');
  onClick(more, () => load(true));
  const described = (session) => ({
    ...words(session),
    acts: session.current
      ? {}
      : {
          end: async () => {
            await call("DELETE", `/api/auth/sessions/${session.id}`);
            next = pages("/api/auth/sessions");
            await load(false);
            done("ended");
          },
        },
  });
  await run(section, () => load(false));
}

// Describes a session in words: which browser, from where, since when.
export function words({ user_agent, ip, created_at, last_used_at, current }) {
  return {
    browser: browserOf(user_agent),
    of: browserOf(user_agent),
    current: current ? t("this_browser") : null,
    meta: t("session", { ip, since: time(created_at), used: time(last_used_at) }),
  };
}

// Only a hint for its owner: what programs call themselves is not to be trusted.
function browserOf(agent) {
  const browser = /Edg|Firefox|Chrome|Safari|curl|python/i.exec(agent)?.[0];
  const system = /Windows|Android|iPhone|iPad|Mac OS|Linux/.exec(agent)?.[0];
  const name = { Edg: "Edge", "Mac OS": "macOS" };
  return [browser, system].filter(Boolean).map((each) => name[each] ?? each).join(" · ") || agent.slice(0, 60) || t("unknown_browser");
}
