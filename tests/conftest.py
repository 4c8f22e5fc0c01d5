"""Real servers for the tests: each starts once, on a free port, in a folder that is thrown away."""

import asyncio
import gc
import itertools
import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import structlog
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.stack import Stack
from devstack.topology import SERVICES
from devstack.valkey import Valkey
from hypothesis import settings
from redis.asyncio import Redis

from tests.collector import Collector

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
"""What is logged within the tests; structlog's own choice paints each traceback for a tenth of a second."""

settings.register_profile("house", deadline=None)
settings.register_profile("hostile", deadline=None, max_examples=20_000)
settings.load_profile("house")
"""A machine may be busy; `make test-hostile` tries for longer."""

_NUMBERS = itertools.count()
TEMPLATE = "migrated"


def pytest_collection_finish() -> None:
    """Sets aside what was imported: walking it at each collection of garbage took 8 % of a run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", name="postgres")
def _postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One Postgres for the whole run. It does not flush: nobody cuts its power."""
    server = Postgres(
        tmp_path_factory.mktemp("postgres"),
        settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session", name="migrated")
def _migrated(postgres: Postgres) -> Database:
    """A database with every service's schema, migrated by their own commands; copied for each test."""

    async def prepare() -> Database:
        admin = await asyncpg.connect(postgres.url())
        await admin.execute(f"CREATE DATABASE {TEMPLATE}")
        await admin.close()
        passwords = {role: f"{role}-password" for role in Database.role_names()}
        database = Database(postgres.url(database=TEMPLATE), passwords)
        await database.provision()
        for service in SERVICES:
            if service.schema is not None:
                await database.migrate(service)
        return database

    return asyncio.run(prepare())


@pytest.fixture(name="database")
async def _database(postgres: Postgres, migrated: Database) -> AsyncIterator[Database]:
    """A fresh, migrated database of this test's own; `database.url("auth_service")` and so on."""
    name = f"test_{next(_NUMBERS)}"
    admin = await asyncpg.connect(postgres.url())
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    database = Database(postgres.url(database=name), migrated.passwords)
    # Grants on the database and search paths are not part of a template.
    await database.provision()
    yield database
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(name="empty_database")
async def _empty_database(postgres: Postgres) -> AsyncIterator[str]:
    """The superuser's URL of a fresh, empty database."""
    name = f"test_{next(_NUMBERS)}"
    admin = await asyncpg.connect(postgres.url())
    await admin.execute(f"CREATE DATABASE {name}")
    yield postgres.url(database=name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(scope="session", name="shared_valkey")
def _shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One Valkey for the whole run."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(name="valkey")
async def _valkey(shared_valkey: Valkey) -> Valkey:
    """The shared Valkey, emptied for this test."""
    async with Redis.from_url(shared_valkey.url) as redis:
        await redis.flushall()
    return shared_valkey


@pytest.fixture(name="own_valkey")
def _own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey of this test's own, to be stopped, killed and started at will."""
    server = Valkey(tmp_path_factory.mktemp("own-valkey"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(name="own_postgres")
def _own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres of this test's own, to be stopped, killed and started at will."""
    server = Postgres(tmp_path_factory.mktemp("own-postgres"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


STACK_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GATEWAY_RATE_LIMITS": "off",
    "AUTH_AUDIT_HEAD_SECONDS": "1",
    "AUTH_KEY_PUBLISH_SECONDS": "4",
    "JWKS_REFRESH_SECONDS": "1",
    "BOOTSTRAP_ADMIN_EMAIL": "admin@vestibule.test",
    "BOOTSTRAP_ADMIN_PASSWORD": "marble-otter-sunday-lamp",
}
"""How `stack` is started; a stack of a test's own may take it and change it."""


@pytest.fixture(scope="session", name="collector")
def _collector() -> Iterator[Collector]:
    """Where the stack's traces go."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="session", name="stack")
def _stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    """The whole system, running, with one gateway and no rate limits; shared by all tests."""
    environment = STACK_ENVIRONMENT | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with Stack(tmp_path_factory.mktemp("stack"), environment) as stack:
        yield stack
