"""What a page costs its reader: requests and bytes, at the first visit and at the next.

`docs/pages.md` has the table. A failure says which row is right.
"""

import re
from pathlib import Path

import pytest
from devstack.stack import Stack
from playwright.sync_api import expect

from tests.pages.conftest import OpenWindow

PAGE = Path(__file__).parents[2] / "docs/pages.md"
ROW = re.compile(r"^\| `(/\w*)` \|((?: [\d,]+ \|){4})$", re.MULTILINE)
BYTES_OFF_MAX = 0.05
"""How far bytes may be from the table before it is to be corrected."""

SHOWN = {"/": "h1", "/signin": "#email", "/account": "#sessions .row", "/admin": "#system .row"}


def documented() -> dict[str, list[int]]:
    """Returns the table: requests and bytes, then requests and bytes again, for each page."""
    rows = ROW.findall(PAGE.read_text())
    return {path: [int(each) for each in re.findall(r"\d+", cells.replace(",", ""))] for path, cells in rows}


@pytest.mark.nightly
@pytest.mark.parametrize("path", SHOWN)
def test_a_page_is_as_light_as_documented(window: OpenWindow, stack: Stack, path: str) -> None:
    """And its files are not requested again."""
    mine = window()
    if path in ("/account", "/admin"):
        mine.sign_in(*stack.admin)
        mine.page.wait_for_url("**/account")
        mine = window(storage_state=mine.page.context.storage_state())
    mine.go(path)
    expect(mine.page.locator(SHOWN[path]).first).to_be_visible()
    mine.page.wait_for_load_state("networkidle")
    weights = [*mine.weight()]
    mine.page.reload()
    expect(mine.page.locator(SHOWN[path]).first).to_be_visible()
    mine.page.wait_for_load_state("networkidle")
    weights += mine.weight()

    right = f"| `{path}` | {' | '.join(f'{each:,}' for each in weights)} |"
    allowed = documented()[path]
    assert weights[::2] == allowed[::2], right
    for actual, said in zip(weights[1::2], allowed[1::2], strict=True):
        assert abs(actual - said) <= BYTES_OFF_MAX * said, right
