"""Sentences of a text that comes in pieces."""

import itertools

import pytest
from voice_service.domain.sentences import Sentences, spoken

TEXTS = {
    "Take one tablet. Do not take two!": ["Take one tablet. ", "Do not take two!"],
    "Dr. Meyer is away. Ask Dr. Ott.": ["Dr. Meyer is away. ", "Ask Dr. Ott."],
    "1. Rest for a day.\n2. Drink water.\n": ["1. Rest for a day.\n", "2. Drink water.\n"],
    "At 3.5 mg per day it works [1]. It is safe.": ["At 3.5 mg per day it works [1]. ", "It is safe."],
    'He said "take it now." Then he left.': ['He said "take it now." ', "Then he left."],
    "no end at all": ["no end at all"],
    "": [],
    " \n ": [],
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_text_is_cut_into_sentences(text: str, size: int) -> None:
    """The same however it comes; together they are the whole text."""
    sentences = Sentences()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    cut = [*itertools.chain.from_iterable(map(sentences.add, pieces)), *sentences.rest()]

    assert cut == TEXTS[text]
    assert "".join(cut) == (text if cut else "")


def test_a_text_without_ends_is_cut_between_words() -> None:
    """Nothing is lost, and no part is long; a word without end is cut too."""
    for text in ("word " * 1000, "x" * 5000):
        sentences = Sentences()
        cut = sentences.add(text) + sentences.rest()
        assert "".join(cut) == text
        assert all(len(each) <= 400 for each in cut)
        assert all(each.endswith(" ") for each in cut) == text.startswith("word")


def test_what_is_spoken_has_no_marks() -> None:
    assert spoken("Rest is\n enough [1][12] for now [3].") == "Rest is enough for now."
