"""Finds the sentences of a text that comes in pieces, so that speaking begins before writing has ended."""

import re

_END = re.compile(r"(?<=[.!?;:…])[\"')\]]*\s+|\n+")
_CITATION = re.compile(r" ?\[\d+\]")
_SHORT = 12
"""A piece this short (`Dr.`, `1.`) goes with the next: it is hardly a sentence."""

_LENGTH_MAX = 400
"""A sentence this long is spoken in parts, cut between words."""


class Sentences:
    """Collects the pieces of one text."""

    def __init__(self) -> None:
        self._text = ""

    def add(self, piece: str) -> list[str]:
        """Returns the sentences that the next piece completes."""
        self._text += piece
        complete, begin = [], 0
        for end in _END.finditer(self._text):
            if end.start() - begin >= _SHORT:
                complete.append(self._text[begin : end.end()])
                begin = end.end()
        self._text = self._text[begin:]
        while len(self._text) > _LENGTH_MAX:
            cut = self._text.rfind(" ", 1, _LENGTH_MAX) + 1 or _LENGTH_MAX
            complete.append(self._text[:cut])
            self._text = self._text[cut:]
        return complete

    def rest(self) -> list[str]:
        """Returns what is left at the end of the text."""
        text, self._text = self._text, ""
        return [text] if text.strip() else []


def spoken(sentence: str) -> str:
    """Returns a sentence as it is spoken: without marks of citations and without line breaks."""
    return _CITATION.sub("", " ".join(sentence.split())).strip()
