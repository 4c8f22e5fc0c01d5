"""The port that takes the text out of files."""

from enum import StrEnum
from typing import Protocol

FILE_BYTES_MAX = 20 * 1024 * 1024
"""The largest file that is fetched."""


class FileProblem(StrEnum):
    """Why a file is not a document."""

    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    TOO_LARGE = "TOO_LARGE"
    """The file, its text, or what it unpacks to."""
    TOO_MANY_PAGES = "TOO_MANY_PAGES"
    TOO_DEMANDING = "TOO_DEMANDING"
    """Reading it takes too much time or memory."""
    ENCRYPTED = "ENCRYPTED"
    BROKEN = "BROKEN"
    NO_TEXT = "NO_TEXT"
    """It is empty, or holds pictures of text."""


class Unreadable(Exception):
    """There is no text to be had from a file."""

    def __init__(self, problem: FileProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class TextExtractor(Protocol):
    """Takes the text out of files that others have made, within bounds of time and memory."""

    def is_supported(self, name: str) -> bool:
        """Whether files of this name can hold text."""
        ...

    async def __call__(self, name: str, content: bytes) -> str:
        """Returns a file's text.

        Raises:
            Unreadable: there is none.
        """
        ...
