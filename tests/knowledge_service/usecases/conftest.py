"""The use cases on a real Postgres."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from chassis.identity.caller import Caller
from devstack.database import Database
from devstack.postgres import Postgres

from tests.fakes.webdav_server import WebDavServer, running_webdav_server
from tests.knowledge_service.knowledge import Knowledge, a_user, emptied_pool
from tests.knowledge_service.usecases.following import Following


@pytest.fixture(name="knowledge")
async def _knowledge(postgres: Postgres, migrated: Database) -> AsyncIterator[Knowledge]:
    """The use cases, with an embedder and no documents."""
    async with emptied_pool(postgres, migrated) as pool:
        yield Knowledge(pool)


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[WebDavServer]:
    with running_webdav_server(tmp_path) as server:
        yield server


@pytest.fixture(name="ada")
def _ada() -> Caller:
    return a_user()


@pytest.fixture(name="following")
async def _following(knowledge: Knowledge, server: WebDavServer, ada: Caller) -> Following:
    return Following(knowledge, server, ada)
