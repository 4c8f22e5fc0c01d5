"""How text is compared: without regard to case, width or composition."""

import unicodedata

SORT_KEY_LENGTH = 64
"""Code points of a sort key. Folding can make text eighteen times longer, an index entry
has a limit, and a cursor carries the key."""

SEPARATOR = "\x1f"
"""Stands between the parts of a search text; no field can contain it."""


def fold(text: str) -> str:
    """Returns the text in the form that is compared (Unicode's NFKC_Casefold, nearly)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def sort_key(folded: str) -> str:
    """Returns what lists are ordered by, for a folded text."""
    return folded[:SORT_KEY_LENGTH]


def search_text(email: str, full_name: str) -> str:
    """Returns what a search looks through, for one person."""
    return SEPARATOR.join((fold(email), fold(full_name)))
