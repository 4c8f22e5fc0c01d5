"""Signing in on a page: the password, the cookie that follows, and what is refused."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import OpenWindow
from tests.system.client import Client, User, new_email
from tests.system.mailbox import Mailbox

pytestmark = pytest.mark.nightly

NEW_PASSWORD = "walnut-comet-drizzle-ferry"
COOKIE = "__Host-vestibule_refresh"


def test_a_password_signs_in(window: OpenWindow, ada: User) -> None:
    """The refresh token is in a cookie that no script reads, and in no storage."""
    mine = window()
    mine.sign_in(ada.email, ada.password)
    mine.page.wait_for_url("**/account")
    cookies = {each["name"]: each for each in mine.page.context.cookies()}

    cookie = cookies[COOKIE]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (
        True,
        True,
        "Strict",
        "/",
    )
    assert mine.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_what_is_wrong_stands_beside_its_field(window: OpenWindow, ada: User) -> None:
    """And what concerns no field in particular above the form."""
    mine = window()
    page = mine.go("/signin")
    page.click("#password-form button.primary")
    expect(page.locator("#email")).to_be_focused()
    expect(page.locator("#email")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#email-error")).to_have_text("Please fill this in.")
    page.fill("#email", "ada")
    page.fill("#password", "x")
    page.press("#password", "Enter")
    expect(page.locator("#email-error")).to_contain_text("no e-mail address")

    page.fill("#email", ada.email)
    page.press("#email", "Enter")
    expect(page.get_by_role("alert").first).to_contain_text("did not match")
    expect(page.locator("#email-error")).to_be_hidden()


def test_a_forgotten_password_is_replaced(window: OpenWindow, ada: User, mailbox: Mailbox) -> None:
    """By the mailed link, which works once; a weak password is refused beside its field."""
    mine = window()
    page = mine.go("/signin")
    page.get_by_role("link", name="Forgot your password?").click()
    page.fill("#forgot-email", ada.email)
    page.press("#forgot-email", "Enter")
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_focused()
    token = mailbox.reset_token(ada.email)
    mine.go(f"/reset-password?token={token}")
    page.fill("#new-password", "short")
    page.press("#new-password", "Enter")
    expect(page.locator("#new-password-error")).to_have_text("Use at least 8 characters.")
    page.reload()
    page.fill("#new-password", NEW_PASSWORD)
    page.press("#new-password", "Enter")
    expect(page.get_by_role("heading", name="Your new password is saved")).to_be_focused()
    mine.sign_in(ada.email, NEW_PASSWORD)
    page.wait_for_url("**/account")
    mine.go(f"/reset-password?token={token}")
    page.fill("#new-password", ada.password)
    page.press("#new-password", "Enter")
    expect(page.locator("#reset-form .alert")).to_contain_text("does not work any more")


def test_a_change_is_undone_by_the_link_of_its_notice(
    window: OpenWindow, ada: User, client: Client, mailbox: Mailbox
) -> None:
    """On a press of a button, not by opening the link: what reads mails may open it."""
    user = client.sign_in(ada)
    asked = client.put("/api/users/me", token=user.access_token, json={"email": new_email()})
    assert asked.outcome == (200, None), asked.text
    page = window().go(f"/undo-email?token={mailbox.undo_token(ada.email)}")
    assert client.who(user.access_token).data["pending_email"]
    page.get_by_role("button", name="Undo it").click()
    expect(page.get_by_role("heading", name="The change is undone")).to_be_focused()

    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")


def test_a_new_user_registers(window: OpenWindow) -> None:
    """And is led to the account, which says that the address is not confirmed yet."""
    mine = window()
    page = mine.go("/register")
    page.fill("#register-name", "Grace Hopper")
    page.fill("#register-email", new_email())
    page.fill("#register-password", "grace hopper")
    page.press("#register-password", "Enter")
    expect(page.locator("#register-password-error")).to_contain_text("must not be built around")
    page.fill("#register-password", NEW_PASSWORD)
    page.press("#register-password", "Enter")
    page.wait_for_url("**/account")
    expect(page.locator("#unverified")).to_contain_text("not confirmed yet")


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/status", "/status"),
        ("https://evil.example/", "/account"),
        ("//evil.example/", "/account"),
        ("/\\evil.example", "/account"),
        ("/.//evil.example/", "//evil.example/"),
        ("/\t/evil.example/", "/account"),
        ("//user:word@HOST/status", "/account"),
        ("/%2F%2Fevil.example/../status", "/status"),
        ("javascript:alert(1)", "/account"),
        ("/api/auth/logout", "/account"),
        ("/signin", "/account"),
    ],
)
def test_next_leads_to_pages_of_this_origin_alone(
    window: OpenWindow, ada: User, url: str, asked: str, led_to: str
) -> None:
    """Whatever a forged link asks for."""
    mine = window()
    page = mine.go("/signin?" + urlencode({"next": asked.replace("HOST", url.partition("//")[2])}))
    page.fill("#email", ada.email)
    page.fill("#password", ada.password)
    page.press("#password", "Enter")
    page.wait_for_url(re.compile(re.escape(f"{url}{led_to}") + "$"))


def test_without_scripts_a_sentence_says_so(window: OpenWindow) -> None:
    """And no form is there whose password would be sent in the open."""
    mine = window(java_script_enabled=False)
    for path in ("/", "/signin", "/account", "/admin"):
        page = mine.go(path)
        sentence = page.locator("noscript").bounding_box()
        assert sentence is not None, path
        assert sentence["height"] > 10, path
        assert "needs JavaScript" in page.content(), path
        expect(page.locator("main")).to_be_hidden()


def test_a_password_manager_signs_in(window: OpenWindow, ada: User) -> None:
    """It finds the fields by what they are for, and may fill them without a key being pressed."""
    page = window().go("/signin")
    for purpose, text in (("username", ada.email), ("current-password", ada.password)):
        field = page.locator(f'[autocomplete~="{purpose}"]:visible')
        expect(field).to_have_count(1)
        field.evaluate("(input, text) => { input.value = text; }", text)
    page.click("#password-form button.primary")
    page.wait_for_url("**/account")
    expect(page.locator("#full-name")).to_have_value(ada.full_name)

    for form, username, passwords in (
        ("#password-form", ada.email, ["current-password", "new-password"]),
        ("#proof-dialog form", ada.email, ["current-password"]),
        ("#password-dialog form", ada.email, ["current-password"]),
    ):
        assert page.input_value(f'{form} [autocomplete="username"]') == username
        fields = page.locator(f"{form} [type=password]")
        assert fields.evaluate_all("all => all.map(each => each.autocomplete)") == passwords


def test_the_keyboard_is_enough(window: OpenWindow, ada: User) -> None:
    """The focus goes where one reads, into a dialog, and back from it."""
    mine = window()
    page = mine.go("/signin")
    focused = page.locator(":focus")
    page.keyboard.press("Tab")
    expect(focused).to_have_class("skip")
    page.keyboard.press("Enter")
    expect(focused).to_have_attribute("id", "content")
    page.keyboard.press("Tab")
    page.keyboard.type(ada.email)
    page.keyboard.press("Tab")
    page.keyboard.type(ada.password)
    page.keyboard.press("Tab")
    expect(focused).to_have_attribute("data-reveal", "password")
    page.keyboard.press("Space")
    expect(page.locator("#password")).to_have_attribute("type", "text")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")

    expect(page.locator("#sessions .row")).to_have_count(1)
    page.locator("#erase").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#password-dialog")).to_be_visible()
    expect(focused).to_have_attribute("id", "dialog-password")
    page.keyboard.press("Escape")
    expect(page.locator("#password-dialog")).to_be_hidden()
    expect(focused).to_have_attribute("id", "erase")


def test_a_german_browser_reads_german(window: OpenWindow) -> None:
    """Until its user chooses another language, which is kept."""
    mine = window(locale="de-AT")
    page = mine.go("/signin")
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.click("#password-form button.primary")
    expect(page.locator("#email-error")).to_have_text("Bitte ausfüllen.")

    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    mine.go("/")
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()


def test_fits(window: OpenWindow) -> None:
    """Each page that needs no session, in both themes, at 320 pixels too."""
    mine = window()
    for path in (
        "/",
        "/signin",
        "/register",
        "/forgot-password",
        "/reset-password?token=x",
        "/verify-email?token=x",
        "/undo-email",
    ):
        page = mine.go(path)
        expect(page.locator("main h1:visible")).to_have_count(1)
        picture = {"/": "home", "/signin": "signin"}.get(path)
        for look in mine.looks(1100, 320) if picture else mine.looks(320):
            assert not mine.overflows(), path
            if picture:
                mine.keep(f"pages-{picture}-{look}")
        assert "token" not in page.url
