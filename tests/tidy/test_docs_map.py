"""docs/README.md is the map: every page is reachable from it, and no link in any page is dead."""

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.tidy import tree

DOCS = tree.ROOT / "docs"
MAP = DOCS / "README.md"
HOPS = 2
"""Links from the map to a page: the map names it, or a page that the map names."""

GLOSSARY_WORDS = 40


def _pages() -> list[Path]:
    return [path for path in tree.text_files() if path.suffix == ".md"]


def test_links_lead_somewhere() -> None:
    """Every relative link, and the heading that it names, exists."""
    dead = [
        (str(page.relative_to(tree.ROOT)), target)
        for page in _pages()
        for target in _targets(page)
        if not _exists(page, target)
    ]

    assert dead == []


def test_every_page_is_reachable_from_the_map() -> None:
    """No file of docs/ needs a search to be found."""
    reached, newest = {MAP}, {MAP}
    for _ in range(HOPS):
        newest = {linked for page in newest if page.suffix == ".md" for linked in _linked(page)} - reached
        reached |= newest
    files = {path for path in DOCS.rglob("*") if path.is_file() and not path.name.startswith(".")}

    assert {str(path.relative_to(DOCS)) for path in files - reached} == set()


def test_walkthroughs_apply() -> None:
    """The diffs of docs/development.md apply to the tree, one after the other."""
    diffs = "".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("walkthroughs/*.diff")))
    applied = subprocess.run(
        ["git", "apply", "--check", "-"],
        cwd=tree.ROOT,
        input=diffs,
        capture_output=True,
        text=True,
        check=False,
    )

    assert diffs
    assert applied.returncode == 0, applied.stderr


def test_decisions_have_numbers_of_their_own() -> None:
    """Each decision has one number, said by its file, its title and every link to it."""
    files = sorted(path for path in (DOCS / "decisions").glob("*.md") if path != DOCS / "decisions/README.md")
    numbers = [int(path.name[:4]) for path in files]
    titled = [int(_title(path).partition(".")[0]) for path in files]
    wrong = {
        (str(page.relative_to(tree.ROOT)), said, target)
        for page in _pages()
        for said, target in re.findall(
            r"\[[Dd]ecision (\d+)\]\(\S*?decisions/(\d+)-", page.read_text(encoding="utf-8")
        )
        if int(said) != int(target)
    }

    assert numbers == titled == list(range(1, len(files) + 1))
    assert wrong == set()


def test_glossary_is_short_and_names_places_that_exist() -> None:
    """A newcomer reads all of it, and finds each word in the code."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `([^`]+)` \|$", _text(DOCS / "glossary.md"), re.MULTILINE)
    words = [word for word, _ in rows]

    assert 0 < len(words) <= GLOSSARY_WORDS
    assert words == sorted(set(words), key=str.lower)
    assert [place for _, place in rows if not (tree.ROOT / place).exists()] == []


def _targets(page: Path) -> list[str]:
    text = re.sub(r"^[ \d.]*```.*?^ *```", "", _text(page), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def _linked(page: Path) -> set[Path]:
    return {(page.parent / target.partition("#")[0]).resolve() for target in _targets(page)}


def _exists(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    there = (page.parent / name).resolve() if name else page.resolve()
    return there.exists() and (not anchor or anchor in _anchors(there))


@cache
def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _title(page: Path) -> str:
    return _text(page).partition("\n")[0].removeprefix("# ")


@cache
def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")
