"""The port to the model that turns text into vectors."""

from collections.abc import Sequence
from typing import Protocol

from chassis.errors import Unavailable

Vector = Sequence[float]
"""A dense vector of length 1; the cosine of two is how close in meaning their texts are."""


class EmbedderUnavailable(Unavailable):
    """The model is unreachable or slow, or what it returned is not what was asked for.

    Documents are indexed without a dense vector then, and searched by their terms alone.
    """


class Embedder(Protocol):
    """An embedding model. What it cannot embed is `EmbedderUnavailable`."""

    @property
    def model(self) -> str:
        """Identifies the model. Vectors of different models cannot be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of every vector."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Returns a vector for each text, in order.

        Raises:
            EmbedderUnavailable: no vectors.
        """
        ...

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of a question.

        Raises:
            EmbedderUnavailable: no vector.
        """
        ...
