"""Pages use the field's terms and plain statements; the words of the former private English stay out."""

import re
from pathlib import Path

from tests.tidy import tree

WORDS = re.compile(
    r"\b(whoever|anew|nobody|somebody|anybody|everybody|judge[sd]?|judging|houses?)\b", re.IGNORECASE
)

GENERATED = frozenset({"docs/metrics.md", "docs/reliability.md", "docs/service-catalog.md"})
"""Their words are those of the code that writes them."""


def _pages() -> list[Path]:
    pages = [path for path in tree.text_files() if path.suffix == ".md"]
    return [path for path in pages if path.relative_to(tree.ROOT).as_posix() not in GENERATED]


def _prose(page: Path) -> str:
    """Returns a page without code, commands and quotations of it."""
    text = re.sub(
        r"^[ \d.]*```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return re.sub(r"`[^`]*`", "", text)


def test_pages_use_plain_words() -> None:
    """The text around code and commands says who does what."""
    found = [
        (str(page.relative_to(tree.ROOT)), word) for page in _pages() for word in WORDS.findall(_prose(page))
    ]

    assert found == [], "say it plainly: the user, the caller, no session, again, verify, the system"
