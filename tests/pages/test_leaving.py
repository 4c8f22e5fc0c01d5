"""How a page is left: by signing out, by a session that ends, for another user, for want of a connection."""

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import OpenWindow, opened
from tests.system.client import Client, User

pytestmark = pytest.mark.nightly


def test_nothing_is_left_behind_after_signing_out(window: OpenWindow, ada: User) -> None:
    """Not by the back button, and not in another tab; two tabs work at once before."""
    mine = opened(window, ada)
    tab = mine.tab()
    tab.go("/account")
    expect(tab.page.locator("#email")).to_have_value(ada.email)
    mine.page.reload()
    expect(mine.page.locator("#email")).to_have_value(ada.email)

    elsewhere = mine.tab()
    elsewhere.go("/account")
    elsewhere.page.click("footer a")
    elsewhere.page.wait_for_url("**/status")

    mine.page.click("#sign-out")
    mine.page.wait_for_url("**/signin?*")
    tab.page.wait_for_url("**/signin?*")
    elsewhere.page.go_back()
    elsewhere.page.wait_for_url("**/signin?*")
    for each in (mine, tab, elsewhere):
        assert ada.email not in each.page.content()
    assert "__Host-vestibule_refresh" not in {each["name"] for each in mine.page.context.cookies()}


def test_a_session_that_ends_while_a_form_is_filled_in(window: OpenWindow, client: Client, ada: User) -> None:
    """Leads to signing in and back; what was not saved is not."""
    mine = opened(window, ada)
    page = mine.page
    page.fill("#full-name", "Ada King")
    assert client.post("/api/auth/logout-all", token=client.sign_in(ada).access_token).status == 204
    page.press("#full-name", "Enter")
    expect(page.locator("#signed-out")).to_contain_text("Your session has ended")
    page.fill("#email", ada.email)
    page.fill("#password", ada.password)
    page.press("#password", "Enter")
    page.wait_for_url("**/account")
    expect(page.locator("#full-name")).to_have_value(ada.full_name)


def test_a_page_does_not_act_for_who_signed_in_in_another_tab(
    window: OpenWindow, client: Client, ada: User
) -> None:
    """The cookie is that user's: a page of the one before, whose token has ended, loads again."""
    mine, bob = opened(window, ada), client.register(full_name="Bob")
    tab = mine.tab()
    tab.sign_in(bob.email, bob.password)
    tab.page.wait_for_url("**/account")
    assert client.post("/api/auth/logout-all", token=client.sign_in(ada).access_token).status == 204
    mine.page.fill("#full-name", "Ada King")
    mine.page.press("#full-name", "Enter")

    expect(mine.page.locator("#email")).to_have_value(bob.email)
    expect(mine.page.locator("#full-name")).to_have_value("Bob")
    assert client.who(client.sign_in(bob).access_token).data["full_name"] == "Bob"


def test_says_so_when_the_system_cannot_be_reached(window: OpenWindow, ada: User) -> None:
    """And what there is to do."""
    mine = opened(window, ada)
    mine.page.route("**/api/**", lambda route: route.abort())
    mine.page.click("#sign-out")
    expect(mine.page.get_by_role("alert")).to_contain_text("The system cannot be reached")
    mine.page.reload()
    expect(mine.page.get_by_role("alert")).to_contain_text("The system cannot be reached")
    mine.page.unroute("**/api/**")
    mine.page.get_by_role("link", name="Load it again").click()
    expect(mine.page.locator("#email")).to_have_value(ada.email)
