"""Cuts a document into passages: by heading, paragraph and sentence, small enough for an embedding model.

A passage is a span of the document, so a citation can be looked up. Sizes are estimated without a model's
vocabulary: the same text is always cut in the same places, whatever embeds it, and citations survive a change
of model.
"""

import re
import unicodedata
from collections.abc import Iterator

from chassis.dataclass import dataclass

TOKENS_MAX = 200
"""Estimated model tokens of a passage. With title and headings it is below the 256 that small models read."""

TOKENS_MIN = 64
"""A heading begins a new passage unless the one before it is shorter than this."""

HEADING_TOKENS_MAX = 40
"""Headings up to this long stay with what follows them, even if the passage is too long by that."""

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_HEADING_END = " \t#"
"""What a heading's text does not end with. A pattern that leaves it out takes quadratic time."""

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_CUTS = (re.compile(r"[.!?。！？]['\")\]]*\s+|[。！？]|\r?\n|\r"), re.compile(r"\s+"))  # noqa: RUF001
"""What a paragraph that is too long is cut after: sentences and lines, then words."""

HEADINGS_CARRIED = 3
"""How many headings at the end of a passage move to the next, which they are about."""

HEADING_LETTERS_MAX = 120
"""How much of a heading is repeated in the context of the passages below it."""

_TOKEN = re.compile(r"[A-Za-z\u00c0-\u024f]+|\S")
_LETTERS_PER_TOKEN = 6
_GRAPHEME_MAX = 32


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document.

    Attributes:
        begin: Where it begins in the document's text, in code points.
        end: Where it ends.
        text: `text[begin:end]` of the document: what is shown and cited.
        headings: The Markdown headings above it, outermost first.
    """

    begin: int
    end: int
    text: str
    headings: tuple[str, ...] = ()

    def in_context(self, title: str) -> str:
        """Returns the text to embed and to weigh: with title and headings, which say what it is about."""
        return "\n".join([title, *self.headings, self.text])


@dataclass(frozen=True, slots=True)
class _Span:
    """A heading, paragraph or fenced block with the blank lines after it, or a part of one."""

    begin: int
    end: int
    tokens: int
    headings: tuple[str, ...]
    is_heading: bool = False


def chunks(text: str) -> list[Chunk]:
    """Returns the passages of a text in order: all but the white space at their edges, and nothing twice.

    A mebibyte takes some tenths of a second, so large texts are not for the event loop.
    """
    found = []
    for passage in _passages(text):
        whole = text[passage[0].begin : passage[-1].end]
        begin = passage[0].begin + len(whole) - len(whole.lstrip())
        stripped = whole.strip()
        if stripped:
            found.append(Chunk(begin, begin + len(stripped), stripped, passage[0].headings))
    return found


def estimate_tokens(text: str) -> int:
    """Returns about how many tokens an embedding model makes of a text."""
    return sum(1 + (len(token) - 1) // _LETTERS_PER_TOKEN for token in _TOKEN.findall(text))


def _passages(text: str) -> Iterator[list[_Span]]:
    """Joins neighbouring spans while they fit."""
    passage: list[_Span] = []
    tokens = 0
    for block in _blocks(text):
        for span in _pieces(text, block, _CUTS):
            opens = span.is_heading and tokens >= TOKENS_MIN
            full = tokens + span.tokens > TOKENS_MAX
            if full and tokens <= HEADING_TOKENS_MAX and all(each.is_heading for each in passage):
                full = False
            if passage and (opens or full):
                last = len(passage)
                while last > max(1, len(passage) - HEADINGS_CARRIED) and passage[last - 1].is_heading:
                    last -= 1
                yield passage[:last]
                passage = passage[last:]
                tokens = sum(each.tokens for each in passage)
            passage.append(span)
            tokens += span.tokens
    if passage:
        yield passage


def _blocks(text: str) -> Iterator[_Span]:
    """Yields the blocks of a Markdown or plain text, which together are the whole text."""
    trail: list[tuple[int, str]] = []
    headings: tuple[str, ...] = ()
    is_heading = after_blank = False
    begin = end = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        blank = line.isspace()
        heading = None if fence or blank else _HEADING.match(line.rstrip())
        if end > begin and not (blank or fence) and (after_blank or heading or is_heading):
            yield _span(text, begin, end, headings, is_heading=is_heading)
            begin, headings, is_heading = end, tuple(name for _, name in trail), False
        if heading:
            level = len(heading.group(1))
            trail = [above for above in trail if above[0] < level]
            headings, is_heading = tuple(name for _, name in trail), True
            trail.append((level, heading.group(2).rstrip(_HEADING_END)[:HEADING_LETTERS_MAX]))
        elif marker := _FENCE.match(line):
            if not fence:
                fence = marker.group(1)
            elif line.strip().startswith(fence):
                fence = ""
        end += len(line)
        after_blank = blank
    if end > begin:
        yield _span(text, begin, end, headings, is_heading=is_heading)


def _pieces(text: str, span: _Span, cuts: tuple[re.Pattern[str], ...]) -> Iterator[_Span]:
    """Cuts a span that is too long into parts that are not."""
    if span.tokens <= TOKENS_MAX:
        yield span
    elif cuts:
        begin = last = span.begin
        tokens = 0
        for end in (*(cut.end() for cut in cuts[0].finditer(text, span.begin, span.end)), span.end):
            size = estimate_tokens(text[last:end])
            if tokens and tokens + size > TOKENS_MAX:
                yield from _pieces(text, _Span(begin, last, tokens, span.headings), cuts[1:])
                begin, tokens = last, 0
            last = end
            tokens += size
        yield from _pieces(text, _Span(begin, last, tokens, span.headings), cuts[1:])
    else:
        begin = span.begin
        while begin < span.end:
            end = _between_graphemes(text, begin, min(begin + TOKENS_MAX, span.end))
            yield _span(text, begin, end, span.headings)
            begin = end


def _span(text: str, begin: int, end: int, headings: tuple[str, ...], *, is_heading: bool = False) -> _Span:
    return _Span(begin, end, estimate_tokens(text[begin:end]), headings, is_heading)


def _between_graphemes(text: str, begin: int, end: int) -> int:
    """Returns the last place up to `end` that separates no mark or joiner from what it belongs to."""
    for place in range(end, max(begin, end - _GRAPHEME_MAX), -1):
        if place == len(text) or not (_joins(text[place]) or text[place - 1] == "\u200d"):
            return place
    return end


def _joins(character: str) -> bool:
    return character == "\u200d" or unicodedata.category(character).startswith("M")
