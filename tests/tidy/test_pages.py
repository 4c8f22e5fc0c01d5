"""Pages that a script writes are as it writes them, and what pages lead to is there."""

import re
from pathlib import Path

import pytest
from vestibule.events.v1.events_pb2 import Event

from tests.tidy import catalog_page, openapi_file, tree


def test_catalog_is_up_to_date() -> None:
    """docs/service-catalog.md is what `make docs` writes."""
    assert catalog_page.PAGE.read_text(encoding="utf-8") == catalog_page.page()


def test_catalog_has_every_event() -> None:
    """Each event of the protos has somebody who commits it and somebody who listens."""
    payloads = {field.message_type.name for field in Event.DESCRIPTOR.oneofs_by_name["payload"].fields}

    assert payloads == catalog_page.EVENTS.keys()
    assert {name for source, ears in catalog_page.EVENTS.values() for name in (source, *ears)} <= set(
        tree.services()
    )


def test_openapi_file_is_up_to_date() -> None:
    """docs/openapi.json is what `make docs` writes."""
    assert openapi_file.FILE.read_text(encoding="utf-8") == openapi_file.document()


@pytest.mark.parametrize("path", sorted((tree.ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link from one page to another, and to a heading on it, is there."""
    dead = [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
        if not target.startswith(("http://", "https://")) and not _is_there(path, target)
    ]

    assert dead == []


def _is_there(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    there = (page.parent / name).resolve() if name else page
    if not there.exists():
        return False
    if not anchor:
        return True
    headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
