"""The port to answers from documents."""

from collections.abc import AsyncGenerator
from typing import Protocol

from chassis.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The next words of an answer, white space included."""

    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that an answer cites.

    Attributes:
        number: Its number in the text.
        document_id: The document.
        begin: Where the passage begins in the document's text, in code points.
        end: Where it ends.
    """

    number: int
    document_id: str
    begin: int
    end: int


class Answers(Protocol):
    """Answers questions from the documents that the caller of the present call may see."""

    def answer(self, question: str) -> AsyncGenerator[Words | Citation, None]:
        """Yields the answer as it is written. Closing the iterator stops the writing.

        Raises:
            ServiceError: what the other service said.
        """
        ...
