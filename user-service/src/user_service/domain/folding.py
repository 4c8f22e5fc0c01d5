"""Sort keys and search texts, independent of case, width and composition."""

from chassis.email_address import canonical_email, readable_email
from chassis.text import fold

SORT_KEY_LENGTH = 64
"""Code points of a sort key: folding can make text 18 times longer, the size of an index entry is
limited, and cursors contain the key."""

SEPARATOR = "\x1f"
"""Separates the parts of a search text; no field can contain it."""


def sort_key(folded: str) -> str:
    """Returns the sort key of a folded text."""
    return folded[:SORT_KEY_LENGTH]


def search_text(email: str, full_name: str) -> str:
    """Returns the text of a user that is searched.

    It is the canonical address, the address with its domain in Unicode, and the name.
    """
    # A dict removes duplicates and keeps the order: for most addresses both forms are equal.
    addresses = dict.fromkeys((canonical_email(email), readable_email(email)))
    return SEPARATOR.join((*addresses, fold(full_name)))


def search_terms(wanted: str) -> tuple[str, ...]:
    """Returns terms, of which a matching search text contains at least one.

    The wanted text may be part of a name, which is folded, or of an address, whose domain is not:
    there `ß` is a distinct letter. A text with the separator matches no user.
    """
    if SEPARATOR in wanted:
        return ()
    local, at, domain = wanted.strip().rpartition("@")
    typed = readable_email(f"x@{domain}").removeprefix("x@").lower() if domain else ""
    terms = (fold(wanted), f"{fold(local)}{at}{typed}")
    return tuple(dict.fromkeys(term for term in terms if term))
