"""Tokens of BERT's uncased English vocabulary, which the bundled embedding model reads.

The vocabulary is Google's (Apache-2.0). The package `tokenizers` would do the same, but needs the client of a
model hub, and nine packages with it.
"""

import gzip
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_VOCABULARY = Path(__file__).with_name("wordpiece_vocabulary.txt.gz")
_WORD_LETTERS_MAX = 100
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_IDEOGRAPHS = (
    range(0x4E00, 0xA000),
    range(0x3400, 0x4DC0),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2CEB0),
    range(0xF900, 0xFB00),
    range(0x2F800, 0x2FA20),
)


class WordPiece:
    """Turns text into the ids of its tokens."""

    def __init__(self) -> None:
        words = gzip.decompress(_VOCABULARY.read_bytes()).decode().split("\n")
        self._ids = {word: number for number, word in enumerate(words)}
        self._separating = _Separating()
        self._pieces = lru_cache(maxsize=65_536)(lambda word: tuple(self._split(word)))

    def encode(self, text: str, tokens_max: int) -> list[int]:
        """Returns at most `tokens_max` ids; the first and last mark beginning and end."""
        plain = unicodedata.normalize("NFD", text).translate(self._separating).lower()
        ids = [self._ids["[CLS]"]]
        for word in plain.split():
            ids.extend(self._pieces(word))
            if len(ids) >= tokens_max:
                break
        return [*ids[: tokens_max - 1], self._ids["[SEP]"]]

    def _split(self, word: str) -> Iterator[int]:
        """Yields the longest pieces from left to right, or one unknown token."""
        pieces: list[int] = []
        begin = 0 if len(word) <= _WORD_LETTERS_MAX else len(word)
        while begin < len(word):
            for end in range(len(word), begin, -1):
                piece = self._ids.get(("##" if begin else "") + word[begin:end])
                if piece is not None:
                    break
            else:
                pieces = []
                break
            pieces.append(piece)
            begin = end
        yield from pieces or [self._ids["[UNK]"]]


class _Separating(dict[int, str]):
    """Drops accents and control characters, and puts spaces around punctuation and ideographs."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "\t\n\r" or category == "Zs":
            separated = " "
        elif category == "Mn" or category.startswith("C") or character == "\ufffd":
            separated = ""
        elif (
            character in _ASCII_PUNCTUATION
            or category.startswith("P")
            or any(code in block for block in _IDEOGRAPHS)
        ):
            separated = f" {character} "
        else:
            separated = character
        self[code] = separated
        return separated
