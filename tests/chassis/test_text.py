"""Invisible characters in text, and storing and taking it apart."""

import unicodedata

import pytest
from chassis.text import as_line, has_control, has_hidden_format, is_visible, split_at_commas, storable

REFUSED = [
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    *"\u00ad\u200b\u2060\u2061\u2062\u2063\u2064\ufeff",
    *"\u206a\u206b\u206c\u206d\u206e\u206f\ufff9\ufffa\ufffb",
    *"\U000e0001\U000e0020\U000e0061\U000e007f\U0001d173\U0001bca0",
]
NAMES = [
    "Ada Lovelace",
    "O\u2019Brien-\u00c5ngstr\u00f6m, Jr.",
    "\u0622\u062f\u0627\u200c\u0644\u0627\u0648\u0644\u06cc\u0633",
    "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "\u0e2d\u0e32\u0e14\u0e32",
    "\u8fbb\U000e0100",
    "\U0001f469\u200d\U0001f52c",
    "\u0661\u0600\u0662",
]


@pytest.mark.parametrize("letter", REFUSED, ids=lambda each: f"U+{ord(each):04X}")
def test_hidden_characters(letter: str) -> None:
    """What turns text around, or hides in it, is found wherever it stands."""
    assert has_hidden_format(f"Ada{letter}Lovelace")
    assert has_hidden_format(f"{letter}Ada")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_script(name: str) -> None:
    """What scripts need to be written is let through."""
    assert not has_hidden_format(name)
    assert is_visible(name)


@pytest.mark.parametrize(
    "text", ["", " ", "\u3164", "\u2800\u2800", "\u115f\u1160", "\ufe0f", "\u200d\u200c"]
)
def test_blank_texts(text: str) -> None:
    """Fillers are white space by another name."""
    assert not is_visible(text)


def test_every_bidi_control_is_found() -> None:
    """None of Unicode's own list is left out."""
    controls = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    letters = [chr(code) for code in range(0x110000) if unicodedata.bidirectional(chr(code)) in controls]

    assert letters
    assert all(has_hidden_format(letter) for letter in letters)


@pytest.mark.parametrize(
    "letter", [*REFUSED, *"\n\r\t\0\x7f\x85\u2028\u2029"], ids=lambda each: f"U+{ord(each):04X}"
)
def test_a_text_becomes_a_line(letter: str) -> None:
    """Nothing is left of what users may not write."""
    line = as_line(f"invoice{letter}fdp.exe")

    assert line == "invoice\ufffdfdp.exe"
    assert not has_control(line)
    assert not has_hidden_format(line)


@pytest.mark.parametrize("name", NAMES)
def test_a_line_stays_as_it_is(name: str) -> None:
    """What scripts need is kept."""
    assert as_line(name) == name


@pytest.mark.parametrize(
    ("text", "parts"), [("", ()), (" , ", ()), ("a", ("a",)), (" a b ,,c,\td\n", ("a b", "c", "d"))]
)
def test_lists(text: str, parts: tuple[str, ...]) -> None:
    """Written as people write them, with spaces and a comma at the end."""
    assert split_at_commas(text) == parts


def test_what_postgres_can_hold() -> None:
    """Everything but NUL, which is still seen to have been there."""
    assert storable("a\0b\0") == "a\ufffdb\ufffd"
    assert storable("a\x01\n\u00e9") == "a\x01\n\u00e9"
