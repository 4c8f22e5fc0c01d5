"""What a page costs its reader: requests and bytes, at the first visit and at the next."""

import pytest
from devstack.stack import Stack
from playwright.sync_api import expect

from tests.pages.conftest import OpenWindow

REQUESTS_MAX = 32
BYTES_MAX = 90_000
AGAIN_BYTES_MAX = 40_000
"""The second time what the API answers, and the page where it has changed."""

PAGES = {"/": "h1", "/signin": "#email", "/account": "#sessions .row", "/admin": "#system .row"}


@pytest.mark.nightly
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light(window: OpenWindow, stack: Stack, path: str) -> None:
    """And its files are not requested again."""
    mine = window()
    if path in ("/account", "/admin"):
        mine.sign_in(*stack.admin)
        mine.page.wait_for_url("**/account")
        state = mine.page.context.storage_state()
        mine = window(storage_state=state)
    mine.go(path)
    expect(mine.page.locator(PAGES[path]).first).to_be_visible()
    requests, size = mine.weight()
    mine.page.reload()
    expect(mine.page.locator(PAGES[path]).first).to_be_visible()
    again = mine.weight()

    assert requests <= REQUESTS_MAX
    assert size <= BYTES_MAX
    assert again[1] <= AGAIN_BYTES_MAX
