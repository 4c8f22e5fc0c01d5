"""Servers for the chassis' tests: shared ones, emptied for each test, and private ones to kill."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio
from chassis.events.outbox import Outbox
from chassis.postgres.pool import Database, open_database

from tests.chassis.servers import PostgresServer, ValkeyServer, create_database, flush

OUTBOX_SQL = """
CREATE SCHEMA stock;
CREATE TABLE stock.outbox (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid NOT NULL CONSTRAINT outbox_event_id_unique UNIQUE,
    payload      bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    stream_id    text
);
CREATE INDEX outbox_unpublished ON stock.outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON stock.outbox (published_at) WHERE published_at IS NOT NULL;
"""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres for the whole run; tests that stop it start it again."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture
async def valkey(shared_valkey: ValkeyServer) -> ValkeyServer:
    """A Valkey that is empty; it must not be killed."""
    await flush(shared_valkey)
    return shared_valkey


@pytest.fixture
def mortal_valkey() -> Iterator[ValkeyServer]:
    """A Valkey of the test's own, to be killed; it keeps nothing on disk."""
    server = ValkeyServer()
    server.start()
    yield server
    server.remove()


@pytest_asyncio.fixture
async def postgres_url(postgres_server: PostgresServer) -> str:
    """URL of an empty database of the test's own."""
    return await create_database(postgres_server, f"test_{uuid4().hex}")


@pytest_asyncio.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with open_database(postgres_url, application_name="test", max_size=5) as opened:
        yield opened


@pytest_asyncio.fixture
async def outbox(database: Database) -> Outbox:
    """An outbox in the schema `stock` of the test's database."""
    await database.execute(OUTBOX_SQL)
    return Outbox(schema="stock", source="stock-service")
