"""Citations in an answer that is being written: found, checked, left out where they name no passage."""

import re
from collections.abc import Iterator

_OPENING, _CLOSING = "[\u3010\uff3b", "]\u3011\uff3d"
"""Brackets, and the full-width ones that some models write."""

_SPACE_MAX = 4
_CITATION = re.compile(
    rf"([ \t]{{0,{_SPACE_MAX}}})[{re.escape(_OPENING)}]\s*(\d+(?:\s*,\s*\d+)*)\s*[{re.escape(_CLOSING)}]"
)
_NO_OPENING = str.maketrans("", "", _OPENING)

_HELD_MAX = 64
_DIGITS_MAX = 9


class CitationReader:
    """Splits an answer into text and the numbers of the passages that it cites.

    Attributes:
        dropped: Citations left out so far.
    """

    def __init__(self, numbers: int) -> None:
        """Takes how many passages there are; the first is number 1."""
        self._numbers = numbers
        self._held = ""
        self.dropped = 0

    def read(self, part: str) -> Iterator[str | int]:
        """Yields texts, and after a text that ends with `[n]` the number n.

        A part that may be the beginning of a citation is held back until its end is known.
        """
        text = self._held + part
        while found := _CITATION.search(text):
            space, listed = found.groups()
            numbers = [_number(each) for each in listed.split(",")]
            known = [number for number in numbers if 1 <= number <= self._numbers]
            self.dropped += len(numbers) - len(known)
            before, text = text[: found.start()], text[found.end() :]
            if not known:
                # Together they may be a citation: `[` and `2]` around a `[9]`.
                text = before + text
                continue
            yield f"{before}{space}[{known[0]}]"
            yield known[0]
            for number in known[1:]:
                yield f"[{number}]"
                yield number
        begin = _unfinished(text)
        self._held, passed = text[begin:], text[:begin]
        if len(self._held) > _HELD_MAX:
            # No citation is that long; without its bracket it cannot become one.
            self._held, passed = "", passed + self._held.translate(_NO_OPENING)
            self.dropped += 1
        if passed:
            yield passed

    def rest(self) -> str:
        """Returns what is still held back when the answer has ended."""
        held, self._held = self._held, ""
        return held


def _number(digits: str) -> int:
    digits = digits.strip()
    return int(digits) if len(digits) <= _DIGITS_MAX else 0


def _unfinished(text: str) -> int:
    """Returns where in a text that begins which may become a citation with the next part.

    That includes brackets within brackets, and white space that is left out with a citation.
    """
    begin = len(text)
    while begin and _may_be_within(text[begin - 1]):
        begin -= 1
    brackets = [text.find(each, begin) for each in _OPENING]
    begin = min((each for each in brackets if each >= 0), default=len(text))
    return max(begin - _SPACE_MAX, len(text[:begin].rstrip(" \t")))


def _may_be_within(character: str) -> bool:
    return character in _OPENING or character == "," or character.isspace() or character.isdecimal()
