"""The admins' page: users, the audit and the system."""

import json
from collections.abc import Iterator

import pyotp
import pytest
from devstack.stack import Stack
from playwright.sync_api import Browser, Route, expect

from tests.pages.browser import Window
from tests.pages.conftest import OpenWindow
from tests.system.client import Client, User, new_email
from tests.system.mailbox import Mailbox, token_in
from tests.waiting import wait_for
from tests.webhook_receiver import Receiver, status

pytestmark = pytest.mark.nightly

INVITED_PASSWORD = "walnut-comet-drizzle-ferry"


@pytest.fixture(scope="module", name="signed_in")
def _signed_in(browser: Browser, url: str, stack: Stack) -> Iterator[Window]:
    """A window of the first admin: signing in takes longer than most of what is done with it."""
    office = Window.open(browser, url)
    office.sign_in(*stack.admin, path="/signin?next=%2Fadmin")
    office.page.wait_for_url("**/admin")
    yield office
    office.close()


@pytest.fixture(name="office")
def _office(signed_in: Window) -> Iterator[Window]:
    """The admins' page, loaded again, which has to keep to the content security policy."""
    signed_in.go("/admin")
    expect(signed_in.page.locator("#users .row").first).to_be_visible()
    yield signed_in
    signed_in.page.unroute_all()
    assert signed_in.complaints == []


def find(office: Window, text: str) -> None:
    """Opens the dialog of the one user found."""
    office.page.fill("#search", text)
    office.page.press("#search", "Enter")
    expect(office.page.locator("#users .row")).to_have_count(1)
    office.page.locator("#users .row").get_by_role("button").click()
    expect(office.page.locator("#user-email")).to_have_text(text)


def confirm(office: Window, button: str) -> None:
    """Presses a button of the dialog and confirms."""
    office.page.click(button)
    office.page.locator("#confirm-dialog").get_by_role("button", name="Yes, do it").click()


def test_one_part_at_a_time_on_a_phone(office: Window) -> None:
    """The users at first, and what is chosen afterwards; where there is room, all of them."""
    page = office.page
    cards = page.locator("main > .card:visible")
    expect(cards).to_have_count(4)
    office.show("light", 320)
    expect(cards).to_have_count(1)
    expect(page.locator("#users")).to_be_visible()
    page.locator(".parts").get_by_role("link", name="Audit").click()
    expect(cards).to_have_count(1)
    expect(page.locator("#audit .row").first).to_be_visible()
    assert not office.overflows()
    office.show("light", 1100)
    expect(cards).to_have_count(4)


def test_a_user_is_invited_and_looked_after(
    window: OpenWindow, office: Window, client: Client, mailbox: Mailbox
) -> None:
    """Invited, given a role, signed out, deactivated, activated, erased."""
    email, page = new_email(), office.page
    page.locator("#users summary").click()
    page.fill("#invite-email", email)
    page.fill("#invite-name", "Grace Hopper")
    page.press("#invite-name", "Enter")
    expect(page.locator("#announce")).to_have_text("The invitation is on its way.")
    theirs = window()
    theirs.go(f"/reset-password?token={token_in(mailbox.wait(email, 'You have an account'))}")
    theirs.page.fill("#new-password", INVITED_PASSWORD)
    theirs.page.press("#new-password", "Enter")
    theirs.page.locator('[data-step="reset-done"]').get_by_role("link").click()
    theirs.page.fill("#email", email)
    theirs.page.fill("#password", INVITED_PASSWORD)
    theirs.page.press("#password", "Enter")
    theirs.page.wait_for_url("**/account")

    find(office, email)
    office.keep("pages-user")
    expect(page.locator("#user-dialog .row")).to_have_count(1)
    page.select_option("#user-role", "admin")
    page.click("#role-form button.secondary")
    # In the dialog: what is outside of it cannot be read while it is open.
    expect(page.locator("#user-dialog #announce")).to_have_text("Saved.")
    confirm(office, "#user-mfa")
    expect(page.locator("#confirm-dialog .alert")).to_contain_text("does not exist")
    page.locator("#confirm-dialog").get_by_role("button", name="Cancel").click()
    confirm(office, "#user-end")
    expect(page.locator("#user-dialog .row")).to_have_count(0)
    theirs.page.reload()
    expect(theirs.page.locator("#signed-out")).to_contain_text("Your session has ended")

    confirm(office, "#user-deactivate")
    expect(page.locator("#user-activate")).to_be_visible()
    expect(page.locator("#user-dialog #announce")).to_have_text("Deactivated.")
    expect(page.locator("#user-name")).to_be_focused()
    theirs.page.fill("#email", email)
    theirs.page.fill("#password", INVITED_PASSWORD)
    theirs.page.press("#password", "Enter")
    expect(theirs.page.locator("#password-form .alert")).to_contain_text("deactivated")
    page.click("#user-activate")
    expect(page.locator("#user-deactivate")).to_be_visible()
    expect(page.locator("#user-name")).to_be_focused()
    confirm(office, "#user-erase")
    expect(page.locator("#user-dialog")).to_be_hidden()
    expect(page.locator("#users .row")).to_have_count(0)
    expect(page.locator("#users-title")).to_be_focused()
    login = client.post("/api/auth/login", json={"email": email, "password": INVITED_PASSWORD})
    assert login.outcome == (401, "INVALID_CREDENTIALS")


def test_a_user_with_many_sessions(office: Window, client: Client) -> None:
    """They are shown in pages."""
    user = client.join()
    for _ in range(20):
        client.sign_in(user)
    find(office, user.email)
    rows = office.page.locator("#user-dialog .row")
    expect(rows).to_have_count(20)
    office.page.locator("#user-dialog").get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(21)
    expect(office.page.locator("#user-dialog [data-act=more]")).to_be_hidden()
    office.page.click("#user-dialog [data-close]")


def test_the_audit_is_filtered_verified_and_taken_along(office: Window, ada: User) -> None:
    """With what the witness says."""
    page = office.page
    page.fill("#subject-id", "not an id")
    page.press("#subject-id", "Enter")
    expect(page.locator("#subject-id-error")).to_contain_text("This is no id")
    page.fill("#subject-id", ada.id)
    page.press("#subject-id", "Enter")
    expect(page.locator("#audit .row strong").last).to_have_text("auth.register")
    with page.expect_download() as taken:
        page.click("#audit-export")
    events = [json.loads(line) for line in taken.value.path().read_text().splitlines()]
    page.click("#verify")
    expect(page.locator("#verdict")).to_contain_text("The chain is intact")

    assert {event["subject_id"] for event in events} == {ada.id}


def test_an_export_that_is_not_whole_says_so(office: Window) -> None:
    """With a smaller bound than the page's own."""

    def serve(route: Route) -> None:
        script = route.fetch().text()
        route.fulfill(
            body=script.replace("EXPORTED_MAX = 10000", "EXPORTED_MAX = 2").replace(
                "page_size: 100", "page_size: 1"
            ),
            content_type="text/javascript",
        )

    page = office.page
    page.route("**/audit.js", serve)
    page.reload()
    expect(page.locator("#audit .row").first).to_be_visible()
    with page.expect_download() as taken:
        page.click("#audit-export")
    assert len(taken.value.path().read_text().splitlines()) == 2
    expect(page.locator("#audit > .alert")).to_contain_text("more entries than the 2 newest")


def test_a_webhook_is_added_and_removed(office: Window) -> None:
    """Its secret is shown once; a URL that is none is refused beside its field."""
    page = office.page
    page.locator("#webhooks summary").click()
    page.fill("#webhook-url", "example.com")
    page.press("#webhook-url", "Enter")
    expect(page.locator("#webhook-url-error")).to_be_visible()
    page.fill("#webhook-url", "https://crm.example.com/hooks/users")
    page.uncheck('#webhook-form [value="user.erased"]')
    page.press("#webhook-url", "Enter")
    expect(page.locator("#webhook-secret")).to_contain_text("whsec_")
    row = page.locator("#webhooks .row")
    expect(row).not_to_contain_text("user.erased")
    row.get_by_role("button").click()
    expect(page.locator("#webhook-name")).to_have_text("https://crm.example.com/hooks/users")
    page.click("#webhook-off")
    expect(page.locator("#webhook-on")).to_be_visible()
    confirm(office, "#webhook-rotate")
    expect(page.locator("#webhook-dialog")).to_be_hidden()
    row.get_by_role("button").click()
    confirm(office, "#webhook-delete")
    expect(row).to_have_count(0)


def test_what_a_webhook_did_not_deliver_is_sent_again(office: Window, client: Client) -> None:
    """A receiver that answered 410 gets nothing until the webhook is turned on again."""
    page = office.page
    with Receiver() as receiver:
        receiver.behaves = status(410)
        page.locator("#webhooks summary").click()
        page.fill("#webhook-url", receiver.url)
        page.press("#webhook-url", "Enter")
        expect(page.locator("#webhook-secret")).to_contain_text("whsec_")
        client.register()
        wait_for(lambda: receiver.messages)
        row = page.locator("#webhooks .row", has_text=receiver.url)

        def is_off() -> bool:
            page.reload()
            expect(row).to_be_visible()
            return row.locator(".badge").count() == 1

        wait_for(is_off)
        expect(row.locator(".badge")).to_have_text("off: its receiver said that it is gone")
        row.get_by_role("button").click()
        delivery = page.locator("#webhook-dialog .row", has_text="user.registered").first
        expect(delivery).to_contain_text("The receiver answered with status 410.")
        receiver.behaves = status(204)
        page.click("#webhook-on")
        expect(page.locator("#webhook-off")).to_be_visible()
        delivery.get_by_role("button").click()
        expect(page.locator("#announce")).to_have_text("It is sent again.")
        wait_for(
            lambda: len({each.headers["webhook-id"] for each in receiver.messages}) < len(receiver.messages)
        )
        confirm(office, "#webhook-delete")
        expect(row).to_have_count(0)


def test_users_are_filtered(office: Window, client: Client) -> None:
    """By what they are and by whether they are active, as soon as it is chosen."""
    page, user = office.page, client.register()
    rows = page.locator("#users .row")
    page.fill("#search", user.email)
    page.select_option("#role", "user")
    expect(rows).to_have_count(1)
    page.select_option("#role", "admin")
    expect(page.locator("#users-count")).to_have_text("Users: 0")
    page.select_option("#role", "")
    expect(rows).to_have_count(1)
    page.select_option("#is_active", "false")
    expect(rows).to_have_count(0)


def test_a_lost_second_factor_is_removed(office: Window, client: Client, ada: User) -> None:
    """And every user but the admin is signed out."""
    user = client.sign_in(ada)
    secret = client.post("/api/auth/mfa/totp", token=user.access_token).data["secret"]
    confirmed = client.post(
        "/api/auth/mfa/totp/confirm", token=user.access_token, json={"code": pyotp.TOTP(secret).now()}
    )
    assert confirmed.status == 200, confirmed.text
    find(office, ada.email)
    confirm(office, "#user-mfa")
    expect(office.page.locator("#announce")).to_have_text("The second factor is removed.")
    session = client.sign_in(ada)
    office.page.locator("#user-dialog [data-close]").click()
    confirm(office, "#end-everywhere")
    expect(office.page.locator("#announce")).to_have_text("Signed out.")
    assert client.who(session.access_token).outcome == (401, "TOKEN_REVOKED")
    office.page.reload()
    expect(office.page.locator("#users .row").first).to_be_visible()


def test_shows_the_state_of_the_system(office: Window) -> None:
    """Each component with its state."""
    rows = office.page.locator("#system .row")

    expect(rows.filter(has_text="auth-service")).to_contain_text("up")
    expect(office.page.locator("#system-status")).not_to_be_empty()


def test_is_for_admins(window: OpenWindow, ada: User) -> None:
    """Others are led to their account, and see no data on the way: they get none."""
    mine = window()
    mine.sign_in(ada.email, ada.password, path="/signin?next=%2Fadmin")
    mine.page.wait_for_url("**/account")
    expect(mine.page.locator(".pages [data-admin]")).to_be_hidden()


def test_fits(office: Window) -> None:
    """In both themes, at 320 pixels too."""
    for look in office.looks(1100, 320):
        assert not office.overflows()
        office.keep(f"pages-admin-{look}")
