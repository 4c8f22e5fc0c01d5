"""The status pages of a running system in Chromium: live, well-structured and accessible.

With `SCREENSHOTS` set to a folder, it stores the pictures for `docs/health.md` there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from devstack.stack import Stack
from playwright.sync_api import Browser, Page, sync_playwright

from tests.chromium import CHROMIUM, FLAGS, needs_chromium

WITHIN_MILLISECONDS = 60_000
"""The limit of a wait on a busy machine."""

REFRESH_MILLISECONDS = 15_000
"""How often the page fetches itself when nothing happens."""

pytestmark = [pytest.mark.nightly, needs_chromium]


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def opened(
    browser: Browser,
    stack: Stack,
    *,
    width: int = 1000,
    scheme: str = "light",
    script: bool = True,
    path: str = "/status",
) -> Page:
    """Returns the status page, or another, in its own window."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{stack.base_url}{path}")
    return page


def keep(page: Page, name: str) -> None:
    """Takes a screenshot for the documentation."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def component(name: str, state: str) -> str:
    """Returns the selector of a component in a state."""
    return f'#component-{name}[data-state="{state}"]'


def detail_for(stack: Stack, *, signed_in: bool) -> str | None:
    """Returns the detail of user-service's failure, as returned to anonymous callers or to the admin."""
    headers = {}
    if signed_in:
        email, password = stack.admin
        login = httpx.post(f"{stack.base_url}/api/auth/login", json={"email": email, "password": password})
        headers = {"Authorization": f"Bearer {login.json()['data']['access_token']}"}
    components = httpx.get(f"{stack.base_url}/api/health", headers=headers).json()["data"]["components"]
    detail: str | None = next(each["detail"] for each in components if each["name"] == "user-service")
    return detail


def wait_until_healthy(page: Page) -> None:
    """Waits until everything is up and the page is live."""
    page.wait_for_selector('.headline[data-status="healthy"]', timeout=WITHIN_MILLISECONDS)
    page.wait_for_selector("#live.on", timeout=WITHIN_MILLISECONDS)


def test_shows_a_killed_component_without_a_reload(browser: Browser, stack: Stack) -> None:
    """Soon, and its recovery too, in the same document; `make bench-health` measures how soon."""
    page = opened(browser, stack)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    wait_until_healthy(page)
    keep(page, "status-healthy")
    page.evaluate("window.sameDocument = true")

    stack.kill_part("user-service")
    page.wait_for_selector(component("user-service", "down"), timeout=WITHIN_MILLISECONDS)
    headline = page.text_content("#headline")
    story = page.text_content(".story")
    announced = page.text_content("#announce")
    keep(page, "status-down")
    for scheme, width, name in (
        ("dark", 1000, "status-down-dark"),
        ("light", 360, "status-down-narrow"),
        ("dark", 360, "status-down-narrow-dark"),
    ):
        other = opened(browser, stack, width=width, scheme=scheme)
        other.wait_for_selector(component("user-service", "down"))
        keep(other, name)
        other.context.close()

    details = [detail_for(stack, signed_in=signed_in) for signed_in in (False, True)]

    stack.start_part("user-service")
    page.wait_for_selector(component("user-service", "up"), timeout=WITHIN_MILLISECONDS)
    wait_until_healthy(page)

    assert details[0] is None
    assert "127.0.0.1" in (details[1] or "")
    assert headline == "A critical component is down"
    assert "user-service is down" in (story or "")
    assert "A critical component is down" in (announced or "")
    assert page.evaluate("window.sameDocument") is True
    assert [each for each in errors if "Content Security Policy" in each] == []
    assert page.locator(".incidents li").filter(has_text="user-service").count() >= 1
    keep(page, "status-incident")
    page.context.close()


def test_is_live_again_after_a_refresh_that_failed(browser: Browser, stack: Stack) -> None:
    """Its stream has stayed open meanwhile, so no reconnection says so."""
    page = opened(browser, stack)
    page.clock.install()
    page.reload()
    page.wait_for_selector("#live.on", timeout=WITHIN_MILLISECONDS)

    page.route("**/status", lambda route: route.abort())
    page.clock.run_for(REFRESH_MILLISECONDS)
    page.wait_for_selector("#live:not(.on)", timeout=WITHIN_MILLISECONDS)
    page.unroute("**/status")
    page.clock.run_for(REFRESH_MILLISECONDS)
    page.wait_for_selector("#live.on", timeout=WITHIN_MILLISECONDS)
    page.context.close()


def test_works_without_javascript(browser: Browser, stack: Stack) -> None:
    """It is complete, and reloads itself."""
    page = opened(browser, stack, script=False)

    components = httpx.get(f"{stack.base_url}/api/health").json()["data"]["components"]
    assert page.locator(".component").count() == len(components)
    assert page.locator("svg.graph.wide").is_visible()
    assert page.locator("meta[http-equiv]").get_attribute("http-equiv") == "refresh"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_small_screen(browser: Browser, stack: Stack, scheme: str) -> None:
    """At 360 pixels nothing scrolls sideways, and the graph takes its narrow form."""
    page = opened(browser, stack, width=360, scheme=scheme)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("svg.graph.narrow").is_visible()
    assert not page.locator("svg.graph.wide").is_visible()
    page.context.close()


def test_is_accessible_to_screen_readers(browser: Browser, stack: Stack) -> None:
    """One main heading, sections with headings, labelled graphics, states in words."""
    page = opened(browser, stack)
    tree = page.locator("body").aria_snapshot()

    assert page.locator("h1").count() == 1
    assert page.locator('svg:not([aria-hidden="true"]):not([aria-label]):not([aria-labelledby])').count() == 0
    assert page.locator(".component .state .word:empty").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    for needed in ('heading "Components"', 'heading "Dependencies"', 'heading "Incidents"', "status"):
        assert needed in tree
    page.context.close()


def test_speaks_the_language_that_the_user_chooses(browser: Browser, stack: Stack) -> None:
    """A button switches, the choice holds on the other page and when the page refreshes itself."""
    page = opened(browser, stack)
    wait_until_healthy(page)
    page.get_by_role("button", name="Deutsch").click()
    page.wait_for_selector('html[lang="de"]', timeout=WITHIN_MILLISECONDS)
    page.wait_for_selector("#live.on", timeout=WITHIN_MILLISECONDS)
    before = page.locator(".as-of time").get_attribute("datetime")
    page.wait_for_function(
        "before => document.querySelector('.as-of time').dateTime !== before", arg=before, timeout=30_000
    )
    headline = page.text_content("#headline")
    keep(page, "status-german")
    page.goto(f"{stack.base_url}{METRICS}")

    assert headline == "Alle Systeme in Ordnung"
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.locator("h1").text_content() == "Messwerte der Dienste"
    page.context.close()


METRICS = "/status/metrics"


def test_metrics_refresh(browser: Browser, stack: Stack) -> None:
    """The metrics page shows every service, and refreshes in the same document."""
    for _ in range(3):
        httpx.get(f"{stack.base_url}/api/health")
    page = opened(browser, stack, path=METRICS)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.wait_for_selector("#live.on", timeout=WITHIN_MILLISECONDS)
    page.evaluate("window.sameDocument = true")
    # Rates are known after the second scrape.
    page.wait_for_selector("section[aria-labelledby=traffic] tbody tr:first-child svg.spark", timeout=30_000)
    before = page.locator("time").get_attribute("datetime")
    page.wait_for_function(
        "before => document.querySelector('time').dateTime !== before", arg=before, timeout=30_000
    )
    tree = page.locator("body").aria_snapshot()
    rows = page.locator("section[aria-labelledby=processes] tbody tr").count()

    assert page.evaluate("window.sameDocument") is True
    assert errors == []
    assert rows == len(stack.services)
    for needed in ('heading "Requests"', 'heading "What waits"', 'rowheader "auth-service"', "Oldest event"):
        assert needed in tree
    assert page.locator('svg:not([aria-hidden="true"]):not([aria-label])').count() == 0
    keep(page, "status-metrics")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_metrics_fit_a_small_screen_and_need_no_script(browser: Browser, stack: Stack, scheme: str) -> None:
    """At 360 pixels each row is a block with labelled values; without a script it reloads."""
    page = opened(browser, stack, path=METRICS, width=360, scheme=scheme, script=False)
    label = "td => getComputedStyle(td, '::before').content"

    assert page.locator("table").count() == 3
    assert page.locator("meta[http-equiv]").get_attribute("http-equiv") == "refresh"
    first = page.locator("td").first
    assert first.is_visible()
    assert (first.bounding_box() or {"width": 999})["width"] <= 360
    assert first.get_attribute("data-label") == "Requests per second"
    narrow = opened(browser, stack, path=METRICS, width=360, scheme=scheme)
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 360
    assert narrow.locator("td").first.evaluate(label) in {'"Requests per second"', "attr(data-label)"}
    keep(narrow, f"status-metrics-narrow-{scheme}")
    page.context.close()
    narrow.context.close()
