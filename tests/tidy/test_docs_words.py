"""Pages use the field's terms and plain statements; the words of the former private English stay out."""

import re
from pathlib import Path

import pytest

from tests.tidy import tree

WORDS = re.compile(
    r"\b(whoever|anew|nobody|somebody|anybody|everybody|judge[sd]?|judging|houses?)\b", re.IGNORECASE
)

GENERATED = frozenset({"docs/metrics.md", "docs/reliability.md", "docs/service-catalog.md"})
"""Their words are those of the code that writes them."""


def _pages() -> list[Path]:
    pages = [path for path in tree.text_files() if path.suffix == ".md"]
    return [path for path in pages if path.relative_to(tree.ROOT).as_posix() not in GENERATED]


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(tree.ROOT)))
def test_pages_use_plain_words(page: Path) -> None:
    """Code, commands and quotations of it are as they are; the text around them says who does what."""
    text = re.sub(
        r"^[ \d.]*```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    found = WORDS.findall(re.sub(r"`[^`]*`", "", text))

    assert found == [], "say it plainly: the user, the caller, no session, again, verify, the system"
