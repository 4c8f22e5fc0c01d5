"""The use cases on a real Postgres."""

from collections.abc import AsyncIterator

import pytest
from devstack.database import Database
from devstack.postgres import Postgres

from tests.knowledge_service.knowledge import Knowledge, emptied_pool


@pytest.fixture(name="knowledge")
async def _knowledge(postgres: Postgres, migrated: Database) -> AsyncIterator[Knowledge]:
    """The use cases, with an embedder and no documents."""
    async with emptied_pool(postgres, migrated) as pool:
        yield Knowledge(pool)
