"""Migrations of a service stand in one line."""

import re

import pytest

from tests.tidy import tree

_VERSIONS = "src/*/migrations/versions/0*.py"

SERVICES = [name for name in tree.services() if any((tree.ROOT / name).glob(_VERSIONS))]


@pytest.mark.parametrize("service", SERVICES)
def test_one_line(service: str) -> None:
    """Each has a number of its own and follows the one before: Alembic runs no two heads."""
    files = sorted((tree.ROOT / service).glob(_VERSIONS))
    texts = [file.read_text(encoding="utf-8") for file in files]
    numbers = [_assigned("revision", text) for text in texts]

    assert numbers == [file.name[:4] for file in files]
    assert len(set(numbers)) == len(numbers)
    assert [_assigned("down_revision", text) for text in texts] == ["None", *numbers[:-1]]


def _assigned(name: str, text: str) -> str:
    found = re.search(rf'^{name} = "?(\w+)"?$', text, re.MULTILINE)
    assert found, name
    return found[1]
