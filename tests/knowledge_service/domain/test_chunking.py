"""Passages: they cover the document, they are where they say, and they are small."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from knowledge_service.domain.chunking import (
    HEADING_TOKENS_MAX,
    TOKENS_MAX,
    Chunk,
    chunks,
    estimate_tokens,
)

_MARKDOWN = st.lists(
    st.sampled_from(
        [
            "# Dosage\n",
            "## Children ##\r\n",
            "###### Deep\n",
            "#no heading\n",
            "```python\n# a comment, no heading\n\nx = 1\n```\n",
            "~~~\nnever closed\n\n",
            "- one\n- two\r\n",
            "| a | b |\n|---|---|\n",
            "\r\n",
            "\n\n",
            "   \t\n",
            "\r",
            "Take 5 mg twice a day. Call your doctor! ",
            "e\u0301galement cafe\u0301 ",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467 ",
            "発熱がある。咳もある。",
            "x" * 1500,
            "1" * 450 + " ",
            "word " * 130,
            "\u2028",
            "\x1c\x0b\x0c",
        ]
    ),
    max_size=30,
).map("".join)


@given(_MARKDOWN | st.text(max_size=3000))
@example("")
@example("\n \r\n")
@example("\ufeff# A\n\nb")
@example("\u0301" * 2000)
def test_chunks_cover_the_text_at_exact_offsets(text: str) -> None:
    """What is between two passages is white space, and each is the span that it names."""
    end = 0
    for chunk in chunks(text):
        assert chunk.text == text[chunk.begin : chunk.end]
        assert chunk.text.strip() == chunk.text != ""
        assert chunk.begin >= end
        assert text[end : chunk.begin].strip() == ""
        assert estimate_tokens(chunk.text) <= TOKENS_MAX + HEADING_TOKENS_MAX
        end = chunk.end
    assert text[end:].strip() == ""


def test_short_sections_are_joined_and_long_ones_begin_a_passage() -> None:
    """A heading opens a passage once there is enough before it, and stays with what it is about."""
    long = "Fever is a symptom of many diseases. " * 12
    text = f"# Fever\n\nShort.\n\n## Causes\n\n{long}\n\n## Treatment\n\n{long}"

    first, second = chunks(text)

    assert first.text.startswith("# Fever")
    assert first.headings == ()
    assert second.text.startswith("## Treatment")
    assert second.headings == ("Fever",)
    assert second.in_context("Handbook").startswith("Handbook\nFever\n## Treatment\n")


def test_a_heading_is_not_left_at_the_end_of_a_passage() -> None:
    """It moves to the paragraph that it announces."""
    filling = "Word " * 50
    text = f"{filling}\n\n## Side effects\n\n" + "Nausea is common. " * 45

    first, second, *_ = chunks(text)

    assert "Side effects" not in first.text
    assert second.text.startswith("## Side effects")


def test_code_keeps_its_comments() -> None:
    """What looks like a heading inside a fence is code."""
    text = "# Setup\n\n```sh\n# install\n\nmake up\n```\n\nDone."

    assert chunks(text) == [Chunk(0, len(text), text)]


def test_graphemes_are_not_cut() -> None:
    """Where not even a space allows a cut, marks and joined emoji stay whole."""
    accented = "1\u0301" * 1000
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

    assert all(not chunk.text.startswith("\u0301") for chunk in chunks(accented))
    assert all(chunk.text.startswith("\U0001f468") for chunk in chunks(family * 400))


@pytest.mark.parametrize("unit", ["a", ". ", "# a\n", "~~~\n\n", "\u0301"], ids=ascii)
def test_time_is_linear(unit: str) -> None:
    """Eight times the text takes about eight times as long, also of one line or of nothing but headings."""

    def cpu_seconds(size: int) -> float:
        begun = time.process_time()
        chunks(unit * (size // len(unit)))
        return time.process_time() - begun

    cpu_seconds(2**12)
    assert cpu_seconds(2**17) < 20 * cpu_seconds(2**14) + 0.5


@pytest.mark.parametrize("filling", ["#", " ", "\t#"], ids=ascii)
def test_a_heading_of_a_mebibyte(filling: str) -> None:
    """What headings may end with, and this one does not, is read once."""
    begun = time.process_time()
    found = chunks(f"# a{filling * (2**20 // len(filling))}b\n\nText.\n")

    assert "Text." in found[-1].text
    assert time.process_time() - begun < 20.0


def test_one_line_of_a_mebibyte() -> None:
    """It is cut between words, and where there are none, anywhere."""
    words = "word " * (2**20 // 5)
    nothing = "a" * 2**20

    assert "".join(chunk.text + " " for chunk in chunks(words)) == words
    assert "".join(chunk.text for chunk in chunks(nothing)) == nothing
