"""docs/knowledge.md names every file outside its folder that knowledge-service touched."""

import re

from tests.tidy import tree

PAGE = tree.ROOT / "docs/knowledge.md"
OWN = ("knowledge-service/", "protos/vestibule/knowledge/", "bench/knowledge")
BESIDES = (
    "docs/",
    "tests/",
    "voice-service/",
    "protos/vestibule/voice/",
    "bench/voice",
    "README.md",
    "CHANGELOG.md",
)


def test_every_touched_file_is_listed() -> None:
    """And no file besides, so that the list says what an optional service costs."""
    section = PAGE.read_text(encoding="utf-8").split("## What it touched outside its folder\n")[1]
    listed = {
        path
        for row in section.splitlines()
        if row.startswith("|")
        for path in re.findall(r"`([^` ]+)`", row.split("|")[2])
    }
    files = {path.relative_to(tree.ROOT).as_posix(): path for path in tree.text_files()}
    touched = {
        name
        for name, path in files.items()
        if not name.startswith((*OWN, *BESIDES))
        # Not "acknowledge".
        and re.search(r"(?<![a-z])knowledge", path.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert listed == touched
