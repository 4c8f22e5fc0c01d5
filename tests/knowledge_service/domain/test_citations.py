"""Citations of an answer, however it comes in parts."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from knowledge_service.domain.citations import CitationReader

PASSAGES = 3


def read(*parts: str) -> tuple[str, list[int], int]:
    """Returns the text that a client joins, the citations, and how many were left out."""
    reader, text, cited = CitationReader(PASSAGES), "", []
    for part in parts:
        for piece in reader.read(part):
            if isinstance(piece, int):
                assert text.endswith(f"[{piece}]")
                cited.append(piece)
            else:
                text += piece
    return text + reader.rest(), cited, reader.dropped


@pytest.mark.parametrize(
    ("answer", "text", "cited", "dropped"),
    [
        ("It does [1].", "It does [1].", [1], 0),
        ("It does[1][3], and [2]", "It does[1][3], and [2]", [1, 3, 2], 0),
        ("It does [1, 3].", "It does [1][3].", [1, 3], 0),
        ("It does [1,9, 2].", "It does [1][2].", [1, 2], 1),
        ("It does [4].", "It does.", [], 1),
        ("It does [0] [-1] [1.5].", "It does [-1] [1.5].", [], 1),
        ("It does [99999999999999999999].", "It does.", [], 1),
        ("It does \u30102\u3011 \uff3b\uff11\uff3d.", "It does [2] [1].", [2, 1], 0),
        ("It does [ 2 ].", "It does [2].", [2], 0),
        ("See [here](x), [], [a1], 2] and [", "See [here](x), [], [a1], 2] and [", [], 0),
        ("[[9]1]", "[1]", [1], 1),
        ("[[9]9]", "", [], 2),
        ("[[[7]8]2]", "[2]", [2], 2),
        ("[1", "[1", [], 0),
        ("", "", [], 0),
        ("dose  ", "dose  ", [], 0),
    ],
)
def test_what_is_a_citation(answer: str, text: str, cited: list[int], dropped: int) -> None:
    """Whole, and one character at a time."""
    assert read(answer) == (text, cited, dropped)
    assert read(*answer) == (text, cited, dropped)


@given(st.lists(st.text(alphabet="[]0123 ,9a", max_size=6), max_size=8))
@example(["[", "4", "]"])
@example(["a [", "[4]", "9]"])
@example(["[4", "4" * 70, "]"])
def test_no_citation_of_nothing_gets_through(parts: list[str]) -> None:
    """Whatever the parts: each `[n]` in the joined text names a passage and is announced."""
    text, cited, _ = read(*parts)

    assert [int(each) for each in re.findall(r"\[(\d+)\]", text)] == cited
    assert set(cited) <= set(range(1, PASSAGES + 1))


@given(st.text(alphabet="ab. \n", max_size=40), st.integers(1, 5))
def test_other_text_is_not_changed(text: str, size: int) -> None:
    """Nothing is lost or doubled."""
    parts = [text[begin : begin + size] for begin in range(0, len(text), size)]

    assert read(*parts) == (text, [], 0)


def test_little_is_held_back() -> None:
    """Text is passed on at once unless it may be the beginning of a citation."""
    reader = CitationReader(PASSAGES)

    assert list(reader.read("Take 5")) == ["Take 5"]
    assert list(reader.read(" mg [")) == [" mg"]
    assert list(reader.read("," * 100)) != []
