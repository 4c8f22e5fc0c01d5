"""What `docs/security` promises: every row of its tables names tests, and every one of them exists."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.tidy import tree

FOLDER = tree.ROOT / "docs" / "security"
MAPS = sorted(path.name for path in FOLDER.glob("*.md"))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ASVS_REQUIREMENTS = 253
"""Requirements of Level 1 and Level 2 in ASVS 5.0.0."""

EXCUSES = ("does not apply: ", "not met: ", "not assessed: ", "the operator's: ")
"""How a row without a test begins its last cell; what follows says why."""


def rows(text: str) -> list[list[str]]:
    """Returns the cells of every table row, without heads and the rules below them."""
    lines = text.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        cells[number]
        for number, line in enumerate(lines)
        if line.startswith("|") and not any(each.startswith("|--") for each in lines[number : number + 2])
    ]


@functools.cache
def functions_of(path: Path) -> set[str]:
    """Returns the names of a file's functions."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in module.body if isinstance(node, kinds)}


@pytest.mark.parametrize("name", MAPS)
def test_every_test_that_is_named_exists(name: str) -> None:
    """A test that was renamed or removed takes its row with it."""
    named = set(TEST.findall((FOLDER / name).read_text(encoding="utf-8")))
    missing = {
        f"{file}::{function}"
        for file, function in named
        if not (tree.ROOT / file).is_file() or function not in functions_of(tree.ROOT / file)
    }

    assert named
    assert set() == missing


@pytest.mark.parametrize("name", MAPS)
def test_every_row_has_a_test_or_says_why_not(name: str) -> None:
    """Nothing is claimed without something that shows it."""
    bare = [
        row[0]
        for row in rows((FOLDER / name).read_text(encoding="utf-8"))
        if not TEST.search(row[-1]) and not row[-1].startswith(EXCUSES)
    ]

    assert bare == []


def test_no_requirement_of_asvs_is_left_out() -> None:
    """All of Level 1 and Level 2, each once."""
    numbers = [row[0] for row in rows((FOLDER / "asvs.md").read_text(encoding="utf-8"))]

    assert len(numbers) == len(set(numbers)) == ASVS_REQUIREMENTS


def test_the_count_of_asvs_is_right() -> None:
    """The line above the tables says what is in them."""
    text = (FOLDER / "asvs.md").read_text(encoding="utf-8")
    cells = [row[-1] for row in rows(text)]
    said = re.search(r"^Of (\d+): " + ", ".join(rf"(\d+) {words}" for words in _WORDS), text, re.MULTILINE)
    counts = [sum(cell.startswith(excuse) for cell in cells) for excuse in _COUNTED]

    assert said
    assert [int(number) for number in said.groups()] == [len(cells), len(cells) - sum(counts), *counts]


_COUNTED = ("does not apply: ", "the operator's: ", "not met: ", "not assessed: ")
_WORDS = ("shown by tests", "do not apply", "the operator's", "not met", "not assessed")
