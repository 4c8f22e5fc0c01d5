"""The passage: a part of a document's text that a search returns, and the port to the stored ones."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID, uuid5

from chassis.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document.

    Attributes:
        begin: Where it begins in the document's text, in code points.
        end: Where it ends.
        text: That part of the text.
    """

    id: UUID
    begin: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPassage:
    """A passage that a caller may see, with what is shown of its document."""

    passage: Passage
    document_id: UUID
    owner_id: UUID
    title: str
    source_url: str | None


def passage_id(document_id: UUID, version: int, begin: int, end: int) -> UUID:
    """Returns the id of a passage: the same whenever the same version is indexed again."""
    return uuid5(document_id, f"{version}:{begin}:{end}")


class PassageRepository(Protocol):
    """The stored passages."""

    async def replace(self, document_id: UUID, version: int, passages: Sequence[Passage]) -> None:
        """Makes these the only passages of a locked document."""
        ...

    async def visible(
        self, passage_ids: Collection[UUID], labels: Collection[str]
    ) -> dict[UUID, FoundPassage]:
        """Returns those passages of current versions whose document has one of the labels."""
        ...
