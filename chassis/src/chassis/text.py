"""Text as people type it: how it is compared, and what in it nobody can see."""

import unicodedata

# Scripts need these: joiners and non-joiners of Indic and Arabic scripts and of emoji, Mongolian's
# vowel separator, number signs that are seen, and the quadrats of hieroglyphs.
_NEEDED = frozenset(
    "\u200c\u200d\u180e\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
    "\U000110bd\U000110cd" + "".join(map(chr, range(0x13430, 0x13440)))
)
# Nothing is drawn for these, though Unicode files them under letters, marks and symbols: fillers,
# the grapheme joiner, variation selectors and the empty Braille cell.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


def fold(text: str) -> str:
    """Returns the text without case, width and composition (Unicode's NFKC_Casefold, nearly)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def is_visible(text: str) -> bool:
    """Whether anything is seen of the text: more than white space, fillers and zero-width characters."""
    return any(unicodedata.category(letter) not in _INVISIBLE and letter not in _BLANK for letter in text)


def has_hidden_format(text: str) -> bool:
    """Whether format characters that no script needs are in the text.

    They are not seen and change what is: bidi controls turn the order of letters around, tags and
    zero-width spaces make two texts look like one.
    """
    if text.isascii():
        return False
    return any(unicodedata.category(letter) == "Cf" and letter not in _NEEDED for letter in text)
