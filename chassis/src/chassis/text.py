"""Text: comparing what users type, finding invisible characters in it, storing it, and taking lists apart."""

import re
import unicodedata

# Format characters that scripts need: joiners and non-joiners of Indic and Arabic scripts and of emoji, the
# Mongolian vowel separator, visible number signs, and the quadrats of hieroglyphs.
_NEEDED = frozenset(
    "\u200c\u200d\u180e\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
    "\U000110bd\U000110cd" + "".join(map(chr, range(0x13430, 0x13440)))
)
# Invisible characters that Unicode classifies as letters, marks and symbols: fillers, the grapheme joiner,
# variation selectors and the empty Braille cell.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# C0, DEL, C1, and the two separators that end a line in Unicode.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def fold(text: str) -> str:
    """Returns the text without case, width and composition (Unicode's NFKC_Casefold, nearly)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def storable(text: str) -> str:
    """Returns the text with U+FFFD for NUL, which Postgres cannot hold and would refuse for ever."""
    return text.replace("\0", "\ufffd")


def split_at_commas(text: str) -> tuple[str, ...]:
    """Returns the parts between commas, without white space around them and without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def is_visible(text: str) -> bool:
    """Whether a text has visible characters: more than white space, fillers and zero-width characters."""
    return any(unicodedata.category(letter) not in _INVISIBLE and letter not in _BLANK for letter in text)


def has_control(text: str) -> bool:
    """Whether a text has control characters, or more than one line."""
    return _CONTROL.search(text) is not None


def has_hidden_format(text: str) -> bool:
    """Whether a text has format characters that no script needs.

    They are invisible and deceive: bidi controls reverse the order of letters, tags and zero-width spaces
    make different texts look alike.
    """
    if text.isascii():
        return False
    return any(unicodedata.category(letter) == "Cf" and letter not in _NEEDED for letter in text)


def as_line(text: str) -> str:
    """Returns another system's text in the form that users' lines have, without hidden characters.

    U+FFFD stands for what `has_control` and `has_hidden_format` find.
    """
    return "".join(
        "\ufffd" if has_control(letter) or has_hidden_format(letter) else letter for letter in text
    )
