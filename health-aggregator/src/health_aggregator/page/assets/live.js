// Keeps a page current: fetches it again and replaces its content. The status page is fetched at each event of the
// stream and every 15 seconds, the metrics page as often as its `data-seconds` says. Without this script a page reloads
// itself.
"use strict";
(() => {
  const live = document.getElementById("live");
  const word = document.getElementById("live-word");
  const announce = document.getElementById("announce");
  let stream = null;
  let fetching = false;
  let again = false;
  const seconds = Number(document.body.dataset.seconds);
  const headline = () => document.getElementById("headline")?.textContent ?? "";
  let said = headline();

  const show = (on) => {
    live.hidden = false;
    live.classList.toggle("on", on);
    word.textContent = on ? live.dataset.on : live.dataset.off;
  };

  const refresh = async () => {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
      show(answer.ok && (!stream || stream.readyState === EventSource.OPEN));
    } catch {
      show(false);
    } finally {
      fetching = false;
      if (again) {
        again = false;
        setTimeout(refresh, 200);
      }
    }
  };

  const exchange = (page) => {
    const fresh = page.querySelector("main");
    if (!fresh) return;
    const focused = document.activeElement?.closest("[id]")?.id;
    document.querySelector("main").replaceWith(document.adoptNode(fresh));
    document.title = page.title;
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    if (headline() !== said) {
      said = headline();
      announce.textContent = `${said}. ${document.querySelector(".story").textContent}`;
    }
  };

  const YEAR_SECONDS = 31536000;
  for (const button of document.querySelectorAll("[data-language]")) {
    button.closest("nav").hidden = false;
    button.addEventListener("click", () => {
      document.cookie = `vestibule_language=${button.dataset.language}; Path=/; SameSite=Lax; Max-Age=${YEAR_SECONDS}`;
      location.reload();
    });
  }

  if (seconds) {
    show(true);
    setInterval(refresh, seconds * 1000);
    return;
  }
  stream = new EventSource("/api/health/stream");
  stream.onopen = () => show(true);
  stream.onerror = () => show(false);
  stream.addEventListener("state", refresh);
  stream.addEventListener("change", refresh);
  setInterval(refresh, 15000);
  addEventListener("pagehide", () => stream.close());
})();
