"""A Chromium, windows of it, and users of the running system."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from devstack.stack import Stack
from playwright.sync_api import Browser, expect, sync_playwright

from tests.chromium import CHROMIUM, FLAGS
from tests.pages.browser import Window
from tests.system.client import Client, User
from tests.system.mailbox import Mailbox
from tests.system.running_system import System

OpenWindow = Callable[..., Window]


def opened(window: OpenWindow, user: User, **options: Any) -> Window:
    """Returns a window on the account of a user, signed in."""
    mine = window(**options)
    mine.sign_in(user.email, user.password)
    mine.page.wait_for_url("**/account")
    expect(mine.page.get_by_role("heading", name="Your account")).to_be_visible()
    return mine


@pytest.fixture(scope="package", name="browser")
def _browser(stack: Stack) -> Iterator[Browser]:
    """The browser. Playwright's loop occupies the thread, so what needs a loop to start comes first."""
    del stack
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(name="window")
def _window(browser: Browser, url: str) -> Iterator[OpenWindow]:
    """Opens windows; each has to keep to the content security policy and raise no error."""
    opened: list[Window] = []

    def open_window(**options: Any) -> Window:
        opened.append(Window.open(browser, url, **options))
        return opened[-1]

    yield open_window
    for window in opened:
        window.close()
    assert [complaint for window in opened for complaint in window.complaints] == []


@pytest.fixture(scope="session", name="url")
def _url(stack: Stack) -> str:
    """The gateway by name: browsers take no passkeys for IP addresses."""
    return stack.base_url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="session", name="mailbox")
def _mailbox(stack: Stack) -> Mailbox:
    """The mail that users receive."""
    return Mailbox(stack.folder / "mail")


@pytest.fixture(scope="session", name="client")
def _client(stack: Stack, mailbox: Mailbox) -> Iterator[Client]:
    """Registers users, and does what no page has to."""
    with Client(stack.base_url, mailbox=mailbox) as client:
        yield client


@pytest.fixture(name="age_proof")
def _age_proof(stack: Stack) -> Callable[[User], None]:
    """Makes the proof of a user's sessions ten minutes old, from the next refresh on."""
    statement = "UPDATE auth.sessions SET auth_time = auth_time - interval '10 minutes' WHERE user_id = $1"

    def age(user: User) -> None:
        # In a thread without Playwright's loop.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(System(stack).change, statement, user.id).result()

    return age


@pytest.fixture(name="ada")
def _ada(client: Client) -> User:
    """A new user with a verified address."""
    user = client.register()
    client.prove(user)
    return user
