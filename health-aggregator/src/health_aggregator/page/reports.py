"""What checks report, in the reader's language.

Checks report in English, which the API returns and the history stores. The pages find a report among the
English messages and show the same one of their own catalog.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape

from chassis.pages.catalog import FALLBACK

from health_aggregator.page.words import Words, catalogs

_PREFIX = "report."
_BETWEEN = ", "
"""Between reports about several services."""


def report(words: Words, text: str) -> str:
    """Returns a report as HTML; in English, and marked as such, when no catalog has it."""
    for parts in ([text], text.split(_BETWEEN)):
        translated = [_translated(words, part) for part in parts]
        if all(translated):
            return _BETWEEN.join(map(str, translated))
    return f'<span lang="en">{escape(text)}</span>'


def _translated(words: Words, text: str) -> str | None:
    for name, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return words(name, **{key: escape(value) for key, value in found.groupdict().items()})
    return None


@cache
def _patterns() -> Sequence[tuple[str, re.Pattern[str]]]:
    """Returns the English messages as patterns, those without placeholders first."""
    messages = catalogs()[FALLBACK].below(_PREFIX)
    ordered = sorted(messages.items(), key=lambda each: each[1].count("{"))
    return [(_PREFIX + name, re.compile(_pattern(message))) for name, message in ordered]


def _pattern(message: str) -> str:
    """Returns the regular expression of a message.

    A placeholder matches a word without a comma; after an opening parenthesis, all up to the closing one.
    """
    parts = re.split(r"(\(?\{\w+\})", message)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    if part.startswith("({"):
        return rf"\((?P<{part[2:-1]}>[^()]+)"
    return rf"(?P<{part[1:-1]}>[^\s,()]+)" if part.startswith("{") else re.escape(part)
