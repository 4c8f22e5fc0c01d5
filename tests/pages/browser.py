"""A browser window of one user, which notes what no page may do."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Response, expect

WITHIN_MILLISECONDS = 60_000
"""The limit of a wait on a busy machine."""
expect.set_options(timeout=WITHIN_MILLISECONDS / 2)

_HARMLESS = (
    "Failed to load resource",  # a refused call is an answer, not a fault of the page
    "preloaded using link preload",  # used later than a browser expects, on a busy machine
)

_SUPERSEDED = ("net::ERR_ABORTED", "interrupted by another navigation")


@dataclass
class Window:
    """A window with its own cookies.

    Attributes:
        page: Playwright's page.
        url: The gateway's URL.
        complaints: Errors of scripts, and what the content security policy refused.
        responses: What the page loaded.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    @classmethod
    def open(cls, browser: Browser, url: str, **options: Any) -> Self:
        """Opens a window."""
        context = browser.new_context(
            **{"viewport": {"width": 1100, "height": 900}, "locale": "en"} | options
        )
        context.set_default_timeout(WITHIN_MILLISECONDS)
        return cls.of(context, url)

    @classmethod
    def of(cls, context: BrowserContext, url: str) -> Self:
        """Opens another tab of a window."""
        window = cls(context.new_page(), url)
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        window.page.on("console", window._note)
        window.page.on("response", window._load)
        return window

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(each in message.text for each in _HARMLESS):
            self.complaints.append(message.text)

    def _load(self, response: Response) -> None:
        self.responses.append(response)

    def go(self, path: str) -> Page:
        """Loads a page, also while the page before it goes elsewhere by itself."""
        try:
            self.page.goto(f"{self.url}{path}")
        except Error as error:
            if not any(each in error.message for each in _SUPERSEDED):
                raise
            self.page.wait_for_load_state()
            self.page.goto(f"{self.url}{path}")
        return self.page

    def sign_in(self, email: str, password: str, path: str = "/signin") -> None:
        """Signs in as far as the password goes."""
        self.go(path)
        self.page.fill("#email", email)
        self.page.fill("#password", password)
        self.page.click("#password-form button.primary")

    def looks(self, *widths: int) -> Iterator[str]:
        """Shows the page in both themes at each width; yields the name of the look, such as `dark-320`."""
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            for width in widths:
                self.show(scheme, width)
                yield f"{scheme}-{width}"

    def show(self, scheme: Literal["light", "dark"], width: int) -> None:
        """Shows the page in a theme at a width, to a user who wants no motion."""
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        self.page.set_viewport_size({"width": width, "height": 900})

    def moving(self) -> list[str]:
        """Returns the elements that would move or fade, though their user wants no motion."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((each) => {
              const { transitionDuration, animationDuration } = getComputedStyle(each);
              return parseFloat(transitionDuration) > 0 || parseFloat(animationDuration) > 0;
            }).map((each) => each.outerHTML.slice(0, 80))"""
        )
        return found

    def violations(self) -> list[str]:
        """Returns what axe finds on the page as it is."""
        found = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found]

    def keep(self, name: str, *, whole: bool = False) -> None:
        """Takes a screenshot for the documentation, where `SCREENSHOTS` names a folder."""
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.mouse.move(0, 0)  # Nothing is below it that would look different.
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)

    def weight(self) -> tuple[int, int]:
        """Returns the requests that the page took, and the bytes of its own files, without headers.

        The icon is left out: a browser without windows does not request it.
        """
        requests, size = self.page.evaluate(
            """() => {
              const of = (type) => performance.getEntriesByType(type);
              const icon = document.querySelector("link[rel=icon]").href;
              const sent = [...of("navigation"), ...of("resource")]
                .filter((each) => each.transferSize > 0 && each.name !== icon);
              const files = sent.filter((each) => !new URL(each.name).pathname.startsWith("/api/"));
              return [sent.length, files.reduce((sum, each) => sum + each.encodedBodySize, 0)];
            }"""
        )
        return int(requests), int(size)

    def overflows(self) -> bool:
        """Whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def tab(self) -> "Window":
        """Opens another tab of this window."""
        return Window.of(self.page.context, self.url)

    def close(self) -> None:
        """Closes the window."""
        self.page.context.close()


def add_authenticator(page: Page) -> None:
    """Gives the tab an authenticator that verifies its user, and answers at once."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
