"""The account's page: each part is used once, as its user would."""

import json
import time
from collections.abc import Callable

import pyotp
import pytest
from playwright.sync_api import Page, Route, expect

from tests.pages.browser import Window, add_authenticator
from tests.pages.conftest import OpenWindow, opened
from tests.system.client import Client, User, new_email
from tests.system.mailbox import Mailbox, token_in

pytestmark = pytest.mark.nightly

NEW_PASSWORD = "walnut-comet-drizzle-ferry"


def answer_password(mine: Window, password: str) -> None:
    """Fills the dialog that asks for the password."""
    dialog = mine.page.locator("#password-dialog")
    dialog.get_by_label("Password", exact=True).fill(password)
    dialog.get_by_role("button", name="Continue").click()


def test_profile_address_and_password(
    window: OpenWindow, client: Client, ada: User, mailbox: Mailbox
) -> None:
    """A new address is pending until its link is opened; a new password ends other sessions."""
    mine, other = opened(window, ada), opened(window, ada)
    page = mine.page
    page.fill("#full-name", "Ada King")
    page.click("#name-form button.secondary")
    expect(page.locator("#announce")).to_have_text("Saved.")
    email = new_email()
    page.fill("#email", email)
    page.click("#email-form button.secondary")
    expect(page.locator("#pending")).to_contain_text(f"{email} is not confirmed yet.")
    page.goto(f"{mine.url}/verify-email?token={token_in(mailbox.wait(email, 'Confirm'))}")
    page.get_by_role("button", name="Confirm the address").click()
    expect(page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()
    page.get_by_role("link", name="Go to your account").click()
    expect(page.locator("#email")).to_have_value(email)
    expect(page.locator("#full-name")).to_have_value("Ada King")

    page.fill("#old-password", "not-the-password")
    page.fill("#new-password", NEW_PASSWORD)
    page.press("#new-password", "Enter")
    expect(page.locator("#old-password-error")).to_have_text("This is not your password.")
    page.fill("#old-password", ada.password)
    page.fill("#new-password", "password1")
    page.press("#new-password", "Enter")
    expect(page.locator("#new-password-error")).to_be_visible()
    page.fill("#new-password", NEW_PASSWORD)
    page.press("#new-password", "Enter")
    expect(page.locator("#announce")).to_contain_text("Your password is changed")
    other.page.reload()
    expect(other.page.locator("#signed-out")).to_contain_text("Your session has ended")


def test_a_second_factor_and_a_fresh_proof(
    window: OpenWindow, ada: User, age_proof: Callable[[User], None]
) -> None:
    """Set up by its QR code, used with spaces in the code, asked for again in place, and removed."""
    mine = opened(window, ada)
    page = mine.page
    page.click("#totp-begin")
    expect(page.locator("#qr-code svg")).to_be_visible()
    totp = pyotp.TOTP((page.text_content("#totp-secret") or "").replace(" ", ""))
    page.locator("#second-factor").scroll_into_view_if_needed()
    mine.keep("pages-second-factor")
    page.fill("#totp-code", "000000")
    page.press("#totp-code", "Enter")
    expect(page.locator("#totp-code-error")).to_contain_text("This code is not right")
    page.fill("#totp-code", totp.now())
    page.press("#totp-code", "Enter")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    code = page.text_content("#recovery-codes li") or ""
    with page.expect_download() as saved:
        page.click("#codes-save")
    assert code in saved.value.path().read_text()
    page.click("#codes-done")
    expect(page.locator("#totp-remove")).to_be_visible()
    expect(page.locator("#codes-left")).to_have_text("Unused recovery codes: 10.")
    expect(page.locator("#second-factor h2")).to_be_focused()

    page.click("#sign-out")
    expect(page.locator("#signed-out")).to_have_text("You are signed out.")
    mine.sign_in(ada.email, ada.password)
    expect(page.locator("#code")).to_be_focused()
    # The code of the next step: each counts once, and the app may be ahead by one.
    spaced = totp.at(time.time() + 30)
    page.fill("#code", f" {spaced[:3]} {spaced[3:]} ")
    page.press("#code", "Enter")
    page.wait_for_url("**/account")

    age_proof(ada)
    page.reload()
    expect(page.locator("#totp-remove")).to_be_visible()
    page.fill("#key-name", "nightly report")
    page.click("#key-form button.secondary")
    proof = page.locator("#proof-dialog")
    expect(proof).to_be_visible()
    mine.keep("pages-proof")
    proof.get_by_label("Password", exact=True).fill(ada.password)
    proof.get_by_role("button", name="Continue").click()
    expect(proof.locator("#proof-code")).to_be_focused()
    proof.locator("#proof-code").fill(code)
    proof.locator("#proof-code").press("Enter")
    expect(page.locator("#new-key")).to_be_visible()
    page.reload()
    expect(page.locator("#codes-left")).to_have_text("Unused recovery codes: 9.")
    page.click("#totp-remove")
    answer_password(mine, ada.password)
    expect(page.locator("#totp-begin")).to_be_visible()
    expect(page.locator("#second-factor h2")).to_be_focused()


def test_a_passkey_signs_in(window: OpenWindow, ada: User) -> None:
    """Added and removed on the account's page; the browser offers it where the address is typed."""
    mine = opened(window, ada)
    page = mine.page
    add_authenticator(page)
    page.fill("#passkey-name", "Ada's laptop")
    page.click("#passkey-form button.secondary")
    answer_password(mine, ada.password)
    row = page.locator("#passkeys .row")
    expect(row).to_contain_text("Ada's laptop")

    page.click("#sign-out")
    page.wait_for_url("**/signin?*")
    # The virtual authenticator answers the conditional question at once, as a user who picks the offer.
    page.wait_for_url("**/account")
    expect(row).to_contain_text("Ada's laptop")
    row.get_by_role("button", name="Remove Ada's laptop").click()
    answer_password(mine, ada.password)
    expect(page.locator("#passkeys .row")).to_have_count(0)


def test_sessions_keys_export_and_erasure(window: OpenWindow, client: Client, ada: User) -> None:
    """Another session ends, a key is made and removed, everything is taken along, then erased."""
    client.sign_in(ada)
    mine = opened(window, ada)
    page = mine.page
    sessions = page.locator("#sessions .row")
    expect(sessions).to_have_count(2)
    expect(sessions.filter(has_text="this browser").get_by_role("button")).to_have_count(0)
    sessions.get_by_role("button").click()
    expect(sessions).to_have_count(1)
    expect(page.locator("#sessions h2")).to_be_focused()

    page.fill("#key-name", "nightly report")
    page.locator("#key-expires").press_sequentially("12")
    page.click("#key-form button.secondary")
    expect(page.locator("#key-expires-error")).to_be_visible()
    page.fill("#key-expires", "")
    page.click("#key-form button.secondary")
    expect(page.locator("#new-key")).to_be_visible()
    key = page.text_content("#key-text") or ""
    assert client.who(key).data["id"] == ada.id
    page.locator("#api-keys .row").get_by_role("button", name="Remove nightly report").click()
    page.locator("#confirm-dialog").get_by_role("button", name="Yes, do it").click()
    expect(page.locator("#api-keys .row")).to_have_count(0)
    expect(page.locator("#api-keys h2")).to_be_focused()

    with page.expect_download() as taken:
        page.click("#export")
    assert ada.email in json.dumps(json.loads(taken.value.path().read_text()))
    page.click("#erase")
    answer_password(mine, "not-the-password")
    expect(page.locator("#dialog-password-error")).to_have_text("This is not your password.")
    answer_password(mine, ada.password)
    expect(page.locator("#signed-out")).to_contain_text("Your account is erased")
    login = client.post("/api/auth/login", json={"email": ada.email, "password": ada.password})
    assert login.outcome == (401, "INVALID_CREDENTIALS")


def test_a_passkey_signs_in_where_the_browser_does_not_offer_it(window: OpenWindow, ada: User) -> None:
    """By its button."""
    mine = opened(window, ada)
    page = mine.page
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    add_authenticator(page)
    page.fill("#passkey-name", "Ada's laptop")
    page.press("#passkey-name", "Enter")
    answer_password(mine, ada.password)
    expect(page.locator("#passkeys .row")).to_have_count(1)
    page.click("#sign-out")
    page.wait_for_url("**/signin?*")
    page.click("#passkey-form button")
    page.wait_for_url("**/account")


def test_a_pending_address_is_given_up_and_every_session_ends(window: OpenWindow, client: Client) -> None:
    """The link to a first address is sent again, too."""
    user = client.register()
    mine, other = opened(window, user), opened(window, user)
    page = mine.page
    page.click("#resend")
    expect(page.locator("#announce")).to_contain_text("A link is on its way")
    page.fill("#email", new_email())
    page.press("#email", "Enter")
    expect(page.locator("#pending")).to_be_visible()
    page.click("#cancel-pending")
    expect(page.locator("#pending")).to_be_hidden()
    expect(page.locator("#profile h2")).to_be_focused()
    expect(page.locator("#email")).to_have_value(user.email)

    page.click("#end-all")
    page.locator("#confirm-dialog").get_by_role("button", name="Yes, do it").click()
    expect(page.locator("#signed-out")).to_have_text("You are signed out.")
    other.page.reload()
    expect(other.page.locator("#signed-out")).to_contain_text("Your session has ended")


def test_what_a_key_may_do_is_chosen(window: OpenWindow, client: Client, ada: User) -> None:
    """At least one thing, until a day that is still to come."""
    page = opened(window, ada).page
    page.fill("#key-name", "nightly report")
    page.uncheck("#key-scopes")
    page.fill("#key-expires", "2020-01-01")
    page.press("#key-name", "Enter")
    expect(page.locator("#key-scopes-error")).to_be_visible()
    page.check('[name="scopes"][value="read"]')
    page.press("#key-name", "Enter")
    expect(page.locator("#key-expires-error")).to_have_text("This day is over.")
    page.fill("#key-expires", "2030-01-01")
    page.press("#key-name", "Enter")
    expect(page.locator("#api-keys .row")).to_contain_text("Jan 1, 2030")
    written = client.put(
        "/api/users/me", token=page.text_content("#key-text") or "", json={"full_name": "Ada King"}
    )
    assert written.outcome == (403, "FORBIDDEN")


def unanswered(page: Page, url: str, method: str) -> list[int]:
    """Lets the first call pass and keeps its answer back; returns the statuses of what had none."""
    kept: list[int] = []

    def answer(route: Route) -> None:
        if kept or route.request.method != method:
            route.fallback()
            return
        kept.append(route.fetch().status)
        route.fulfill(status=504, json={"error": {"code": "DEADLINE_EXCEEDED", "message": "Too late."}})

    page.route(url, answer)
    return kept


def test_a_removal_without_an_answer(window: OpenWindow, client: Client, ada: User) -> None:
    """Its repetition finds nothing to remove, or no session any more, and it is done all the same."""
    client.sign_in(ada)
    mine = opened(window, ada)
    page = mine.page
    sessions = page.locator("#sessions .row")
    expect(sessions).to_have_count(2)
    ended = unanswered(page, "**/api/auth/sessions/*", "DELETE")
    sessions.get_by_role("button").click()
    expect(sessions).to_have_count(1)
    expect(page.locator("#sessions .alert")).to_be_hidden()

    erased = unanswered(page, "**/api/users/me", "DELETE")
    page.click("#erase")
    answer_password(mine, ada.password)
    expect(page.locator("#signed-out")).to_contain_text("Your account is erased")
    assert ended == erased == [204]


def test_fits(window: OpenWindow, ada: User) -> None:
    """In both themes, at 320 pixels too."""
    mine = opened(window, ada)
    expect(mine.page.locator("#sessions .row")).to_have_count(1)
    for look in mine.looks(1100, 320):
        assert not mine.overflows()
        mine.keep(f"pages-account-{look}", whole=True)
