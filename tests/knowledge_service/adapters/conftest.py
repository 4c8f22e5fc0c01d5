"""The index of passages, by each of its adapters."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import pytest
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database
from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex
from knowledge_service.adapters.qdrant_index import QdrantIndex
from knowledge_service.domain.passage_index import PassageIndex
from qdrant_client import AsyncQdrantClient

DIMENSIONS = 256

IndexOf = Callable[[str], PassageIndex]
"""Opens the same index for the vectors of a model."""


@pytest.fixture(name="knowledge_pool")
async def _knowledge_pool(database: Database) -> AsyncIterator[Pool]:
    """The service's pool, with its production role."""
    async with open_pool(database.url("knowledge_service"), application_name="test", max_size=10) as pool:
        yield pool


@pytest.fixture(name="dimensions")
def _dimensions() -> int:
    """The length of the vectors."""
    return DIMENSIONS


@asynccontextmanager
async def _pgvector(pool: Pool, dimensions: int) -> AsyncIterator[IndexOf]:
    yield lambda model: PgvectorIndex(pool, model=model, dimensions=dimensions)


@asynccontextmanager
async def _qdrant_local(pool: Pool, dimensions: int) -> AsyncIterator[IndexOf]:
    client = AsyncQdrantClient(":memory:")
    yield lambda model: QdrantIndex(client, model=model, dimensions=dimensions)
    await client.close()


@asynccontextmanager
async def _qdrant_server(pool: Pool, dimensions: int) -> AsyncIterator[IndexOf]:
    url = os.environ.get("QDRANT_URL")
    if url is None:
        pytest.skip("needs the URL of a Qdrant server in QDRANT_URL")
    client, collection = AsyncQdrantClient(url=url), f"test_{uuid4().hex}"
    yield lambda model: QdrantIndex(client, model=model, dimensions=dimensions, collection=collection)
    await client.delete_collection(collection)
    await client.close()


@pytest.fixture(name="open_index", params=[_pgvector, _qdrant_local, _qdrant_server])
async def _open_index(
    request: pytest.FixtureRequest, knowledge_pool: Pool, dimensions: int
) -> AsyncIterator[IndexOf]:
    """The contract's adapters, each with an empty index."""
    opening: Callable[[Pool, int], AbstractAsyncContextManager[IndexOf]] = request.param
    async with opening(knowledge_pool, dimensions) as index_of:
        yield index_of


@pytest.fixture(name="index")
async def _index(open_index: IndexOf) -> PassageIndex:
    """The index for the vectors of the model `m1`."""
    return open_index("m1")
