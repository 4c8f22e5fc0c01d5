"""Every page, dialog and message against axe's rules: in each language and theme, wide and narrow."""

from collections.abc import Callable
from typing import Literal

import pyotp
import pytest
from devstack.stack import Stack
from playwright.sync_api import Page, expect

from tests.pages.browser import Window, add_authenticator
from tests.pages.conftest import OpenWindow
from tests.system.client import PASSWORD, Client, User, new_email
from tests.system.mailbox import Mailbox

NEW_PASSWORD = "walnut-comet-drizzle-ferry"
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1100), ("dark", 320))
"""Contrast depends on the theme, and room on the width."""

pytestmark = [pytest.mark.nightly, pytest.mark.parametrize("locale", ["en", "de"])]


def check(window: Window, state: str) -> None:
    """Checks what a page shows now in each look: axe's rules, no scrolling sideways, no motion."""
    for scheme, width in LOOKS:
        window.show(scheme, width)
        assert window.violations() == [], (state, scheme, width)
        assert not window.overflows(), (state, scheme, width)
        assert window.moving() == [], state
    window.show(*LOOKS[0])


def submit(page: Page, form: str, **values: str) -> None:
    """Fills a form's fields by id, with dashes for underscores, and sends it."""
    for name, value in values.items():
        page.fill(f"#{name.replace('_', '-')}", value)
    page.locator(f"#{form} button:not([type=button])").click()


def answer(page: Page, dialog: str, password: str) -> None:
    """Answers a dialog that asks for the password."""
    page.fill(f"#{dialog} input[type=password]", password)
    page.locator(f"#{dialog} .actions button:not([type=button])").click()


def test_before_signing_in(
    window: OpenWindow, client: Client, ada: User, mailbox: Mailbox, locale: str
) -> None:
    """Each page, what it says of mistakes, and what it says when it is done."""
    mine = window(locale=locale)
    page = mine.go("/")
    check(mine, "home")
    mine.go("/no-such-page")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    check(mine, "no such page")
    page = mine.go("/signin?reason=expired")
    check(mine, "signed out")
    submit(page, "password-form")
    check(mine, "nothing filled in")
    submit(page, "password-form", email=ada.email, password="wrong")
    expect(page.locator("#password-form .alert")).to_be_visible()
    check(mine, "wrong password")

    mine.go("/register")
    check(mine, "register")
    submit(
        page, "register-form", register_name="Ada", register_email=new_email(), register_password="password1"
    )
    expect(page.locator("#register-password-error")).to_be_visible()
    check(mine, "weak password")

    mine.go("/forgot-password")
    check(mine, "forgot")
    submit(page, "forgot-form", forgot_email=ada.email)
    expect(page.locator('[data-step="forgot-sent"] h1')).to_be_focused()
    check(mine, "forgot, sent")
    mine.go(f"/reset-password?token={mailbox.reset_token(ada.email)}")
    check(mine, "reset")
    submit(page, "reset-form", new_password=NEW_PASSWORD)
    expect(page.locator('[data-step="reset-done"] h1')).to_be_focused()
    check(mine, "reset, done")
    mine.go("/reset-password")
    check(mine, "no token")

    user = client.sign_in(User(ada.id, ada.email, NEW_PASSWORD, ada.full_name))
    email = new_email()
    client.put("/api/users/me", token=user.access_token, json={"email": email})
    mine.go("/verify-email?token=wrong")
    check(mine, "verify")
    submit(page, "verify-form")
    expect(page.locator("#verify-form .alert")).to_be_visible()
    check(mine, "link spent")
    mine.go(f"/verify-email?token={mailbox.verification_token(email)}")
    submit(page, "verify-form")
    expect(page.locator('[data-step="verify-done"] h1')).to_be_focused()
    check(mine, "verify, done")
    mine.go(f"/undo-email?token={mailbox.undo_token(ada.email, 2)}")
    check(mine, "undo")
    page.locator("#undo-form button").click()
    expect(page.locator('[data-step="undo-done"] h1')).to_be_focused()
    check(mine, "undo, done")


def test_the_account(window: OpenWindow, client: Client, locale: str) -> None:
    """With a new address pending, a passkey, a key, and each dialog."""
    user = client.register()
    mine = window(locale=locale)
    page = mine.page
    mine.sign_in(user.email, PASSWORD)
    page.wait_for_url("**/account")
    expect(page.locator("#unverified")).to_be_visible()
    check(mine, "unverified")
    client.prove(user)
    page.reload()
    submit(page, "email-form", email=new_email())
    expect(page.locator("#pending")).to_be_visible()
    submit(page, "password-form", old_password="wrong", new_password="short")
    expect(page.locator("#old-password-error")).to_be_visible()
    submit(page, "key-form", key_name="nightly report", key_expires="2020-01-01")
    expect(page.locator("#key-expires-error")).to_be_visible()
    check(mine, "mistakes")
    submit(page, "key-form", key_name="nightly report", key_expires="")
    expect(page.locator("#new-key")).to_be_visible()
    add_authenticator(page)
    submit(page, "passkey-form", passkey_name="Ada's laptop")
    expect(page.locator("#password-dialog")).to_be_visible()
    check(mine, "password asked for")
    answer(page, "password-dialog", "wrong")
    expect(page.locator("#dialog-password-error")).to_be_visible()
    check(mine, "wrong password in a dialog")
    answer(page, "password-dialog", PASSWORD)
    expect(page.locator("#passkeys .row")).to_have_count(1)
    page.click("#end-all")
    check(mine, "confirmation")


def test_a_second_factor(
    window: OpenWindow, ada: User, age_proof: Callable[[User], None], locale: str
) -> None:
    """Being set up, on, and asked for: in a dialog and while signing in."""
    mine = window(locale=locale)
    page = mine.page
    mine.sign_in(ada.email, ada.password)
    page.wait_for_url("**/account")
    page.click("#totp-begin")
    expect(page.locator("#qr-code svg")).to_be_visible()
    check(mine, "QR code")
    totp = pyotp.TOTP((page.text_content("#totp-secret") or "").replace(" ", ""))
    submit(page, "totp-form", totp_code=totp.now())
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    check(mine, "recovery codes")
    page.click("#codes-done")
    expect(page.locator("#codes-left")).to_contain_text("10")
    check(mine, "second factor on")

    age_proof(ada)
    page.reload()
    page.click("#export")
    expect(page.locator("#proof-dialog")).to_be_visible()
    check(mine, "proof")
    answer(page, "proof-dialog", ada.password)
    expect(page.locator("#proof-code")).to_be_focused()
    check(mine, "proof with a code")
    page.locator("#proof-dialog [data-close]").click()
    page.click("#sign-out")
    page.wait_for_url("**/signin?*")
    mine.sign_in(ada.email, ada.password)
    expect(page.locator("#code")).to_be_focused()
    submit(page, "code-form", code="000000")
    expect(page.locator("#code-error")).to_be_visible()
    check(mine, "wrong code")


def test_administration(window: OpenWindow, stack: Stack, ada: User, locale: str) -> None:
    """With everything opened, each dialog, and what cannot be reached."""
    mine = window(locale=locale)
    page = mine.page
    mine.sign_in(*stack.admin, path="/signin?next=%2Fadmin")
    page.wait_for_url("**/admin")
    expect(page.locator("#system .row").first).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()
    check(mine, "administration")
    for part in ("audit", "webhooks", "system", "users"):
        page.click(f".parts [href='#{part}']")
        check(mine, f"administration, {part}")
    submit(page, "invite-form", invite_email="no address", invite_name="")
    submit(page, "audit-form", actor_id="no id")
    submit(page, "webhook-form", webhook_url="no URL")
    expect(page.locator("#actor-id-error")).to_be_visible()
    page.click("#verify")
    expect(page.locator("#verdict")).to_be_visible()
    check(mine, "mistakes")

    submit(page, "webhook-form", webhook_url="https://crm.example.com/hooks/users")
    expect(page.locator("#new-secret")).to_be_visible()
    page.locator("#webhooks .row button").first.click()
    expect(page.locator("#webhook-dialog")).to_be_visible()
    check(mine, "webhook")
    page.click("#webhook-delete")
    expect(page.locator("#confirm-dialog")).to_be_visible()
    check(mine, "confirmation above a dialog")
    page.locator("#confirm-dialog button.danger").click()
    expect(page.locator("#webhook-dialog")).to_be_hidden()

    page.fill("#search", ada.email)
    page.press("#search", "Enter")
    expect(page.locator("#users .row")).to_have_count(1)
    page.locator("#users .row button").click()
    expect(page.locator("#user-email")).to_have_text(ada.email)
    check(mine, "user")
    page.locator("#user-dialog [data-close]").click()
    page.route("**/api/**", lambda route: route.abort())
    page.reload()
    expect(page.locator("#unreachable")).to_be_visible()
    check(mine, "unreachable")


def test_the_state_of_the_system(window: OpenWindow, locale: str) -> None:
    """health-aggregator's page, in English alone."""
    mine = window(locale=locale)
    page = mine.go("/status")
    expect(page.locator("#component-auth-service")).to_be_visible()
    check(mine, "status")
