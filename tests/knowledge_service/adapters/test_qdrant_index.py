"""What the index in Qdrant has to keep right besides the contract."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from chassis.errors import Unavailable
from knowledge_service.adapters import qdrant_index
from knowledge_service.adapters.qdrant_index import QdrantIndex
from qdrant_client import AsyncQdrantClient

from tests.knowledge_service.adapters.conftest import DIMENSIONS
from tests.knowledge_service.adapters.test_passage_index import asking, direction, entry


class SlowClient(AsyncQdrantClient):
    """Qdrant in this process, which takes long for searches of some kinds.

    Attributes:
        slow: Which kinds.
    """

    slow: frozenset[str] = frozenset()

    async def query_points(self, *args: Any, **kwargs: Any) -> Any:
        """Searches."""
        if self.slow & {each.using.partition("_")[0] for each in kwargs["prefetch"]}:
            await asyncio.sleep(60)
        return await super().query_points(*args, **kwargs)


async def test_a_ranking_that_takes_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search says so, and fails only when it has neither ranking."""
    monkeypatch.setattr(qdrant_index, "RANKING_SECONDS", 0.1)
    client = SlowClient(":memory:")
    index = QdrantIndex(client, model="m1", dimensions=DIMENSIONS)
    await index.replace(uuid4(), ["everyone"], [entry("fever", direction(1)), entry("cough", direction(1))])
    query = asking("fever", direction(1))
    assert (await index.search(query, ["everyone"], 10)).is_whole

    client.slow = frozenset({"dense"})
    by_terms = await index.search(query, ["everyone"], 10)
    assert (by_terms.is_whole, len(by_terms.hits)) == (False, 1)

    client.slow = frozenset({"dense", "terms"})
    with pytest.raises(Unavailable):
        await index.search(query, ["everyone"], 10)
    await client.close()
