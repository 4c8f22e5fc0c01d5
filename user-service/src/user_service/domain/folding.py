"""How people are ordered and searched for: without regard to case, width or composition."""

from chassis.email_address import canonical_email, readable_email
from chassis.text import fold

SORT_KEY_LENGTH = 64
"""Code points of a sort key. Folding can make text eighteen times longer, an index entry
has a limit, and a cursor carries the key."""

SEPARATOR = "\x1f"
"""Stands between the parts of a search text; no field can contain it."""


def sort_key(folded: str) -> str:
    """Returns what lists are ordered by, for a folded text."""
    return folded[:SORT_KEY_LENGTH]


def search_text(email: str, full_name: str) -> str:
    """Returns what a search looks through, for one person.

    That is the canonical address, once more with its domain as people write it, and the name.
    """
    # A dict keeps the order; most addresses have one form alone.
    addresses = dict.fromkeys((canonical_email(email), readable_email(email)))
    return SEPARATOR.join((*addresses, fold(full_name)))


def search_terms(wanted: str) -> tuple[str, ...]:
    """Returns the texts of which a search text must hold one.

    What is looked for may be part of a name, which is folded whole, or of an address, whose
    domain is not: there `ß` is a letter of its own. What holds the separator is in nobody's text,
    though the separator itself is in everybody's.
    """
    if SEPARATOR in wanted:
        return ()
    local, at, domain = wanted.strip().rpartition("@")
    typed = readable_email(f"x@{domain}").removeprefix("x@").lower() if domain else ""
    terms = (fold(wanted), f"{fold(local)}{at}{typed}")
    return tuple(dict.fromkeys(term for term in terms if term))
