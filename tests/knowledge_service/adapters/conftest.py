"""The index of passages, by each of its adapters."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import pytest
from chassis.postgres.pool import Pool
from devstack.database import Database
from devstack.postgres import Postgres
from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex
from knowledge_service.domain.passage_index import PassageIndex

from tests.knowledge_service.knowledge import emptied_pool

DIMENSIONS = 256
QDRANT_URL = os.environ.get("QDRANT_URL")

IndexOf = Callable[[str], PassageIndex]
"""Opens the same index for the vectors of a model."""


@pytest.fixture(name="knowledge_pool")
async def _knowledge_pool(postgres: Postgres, migrated: Database) -> AsyncIterator[Pool]:
    """The service's pool, with its production role, on empty tables."""
    async with emptied_pool(postgres, migrated) as pool:
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
    from knowledge_service.adapters.qdrant_index import QdrantIndex  # noqa: PLC0415 it takes half a second
    from qdrant_client import AsyncQdrantClient  # noqa: PLC0415

    client = AsyncQdrantClient(":memory:")
    yield lambda model: QdrantIndex(client, model=model, dimensions=dimensions)
    await client.close()


@asynccontextmanager
async def _qdrant_server(pool: Pool, dimensions: int) -> AsyncIterator[IndexOf]:
    from knowledge_service.adapters.qdrant_index import QdrantIndex  # noqa: PLC0415 it takes half a second
    from qdrant_client import AsyncQdrantClient  # noqa: PLC0415

    client, collection = AsyncQdrantClient(url=QDRANT_URL), f"test_{uuid4().hex}"
    yield lambda model: QdrantIndex(client, model=model, dimensions=dimensions, collection=collection)
    await client.delete_collection(collection)
    await client.close()


_needs_qdrant = pytest.mark.skipif(
    QDRANT_URL is None, reason="needs the URL of a Qdrant server in QDRANT_URL"
)
ADAPTERS = [_pgvector, _qdrant_local, pytest.param(_qdrant_server, marks=_needs_qdrant)]


@pytest.fixture(name="open_index", params=ADAPTERS)
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
