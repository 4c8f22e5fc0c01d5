"""What the index in Qdrant has to keep right besides the contract."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from chassis.errors import Unavailable

from tests.knowledge_service.adapters.conftest import DIMENSIONS
from tests.knowledge_service.adapters.test_passage_index import asking, direction, entry

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")


async def test_a_ranking_that_takes_too_long_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search says so, and fails only when it has neither ranking."""
    from knowledge_service.adapters import qdrant_index  # noqa: PLC0415 it takes half a second
    from qdrant_client import AsyncQdrantClient  # noqa: PLC0415

    slow: set[str] = set()
    client = AsyncQdrantClient(":memory:")
    search = client.query_points

    async def query_points(*args: Any, **kwargs: Any) -> Any:
        if slow & {each.using.partition("_")[0] for each in kwargs["prefetch"]}:
            await asyncio.sleep(60)
        return await search(*args, **kwargs)

    monkeypatch.setattr(client, "query_points", query_points)
    monkeypatch.setattr(qdrant_index, "RANKING_SECONDS", 0.5)
    index = qdrant_index.QdrantIndex(client, model="m1", dimensions=DIMENSIONS)
    await index.replace(uuid4(), ["everyone"], [entry("fever", direction(1)), entry("cough", direction(1))])
    query = asking("fever", direction(1))
    assert (await index.search(query, ["everyone"], 10)).is_whole

    slow.add("dense")
    by_terms = await index.search(query, ["everyone"], 10)
    assert (by_terms.is_whole, len(by_terms.hits)) == (False, 1)

    slow.add("terms")
    with pytest.raises(Unavailable):
        await index.search(query, ["everyone"], 10)
    await client.close()
