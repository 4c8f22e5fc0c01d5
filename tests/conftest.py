"""Real servers for the tests: each starts once, on a free port, in a folder that is removed afterwards."""

import gc
import itertools
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.stack import Stack
from devstack.valkey import Valkey
from hypothesis import settings
from redis.asyncio import Redis
from xdist.scheduler import LoadFileScheduling

from chassis import logs
from tests import migrated_cluster
from tests.collector import Collector
from tests.databases import copied, created, dropped
from tests.fakes.chat_server import ChatServer, running_chat_server
from tests.groups import GroupScheduling, rank
from tests.migrated_cluster import PASSWORDS, TEMPLATE, UNFLUSHED

structlog.configure(
    processors=[
        logs.add_context,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
"""How the tests log; structlog's default formats each traceback for a tenth of a second."""

settings.register_profile("default", deadline=None)
settings.register_profile("hostile", deadline=None, max_examples=20_000)
settings.load_profile("default")
"""No deadline: the machine may be busy. `make test-hostile` tries more cases."""

_NUMBERS = itertools.count()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Replaces `--dist loadfile` by groups of files that share what takes long to start."""
    return GroupScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sorts tests by group, the longest groups first, so that the workers finish at about the same time."""
    items.sort(key=lambda item: rank(item.nodeid, config.getoption("markexpr")))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collects no garbage while the tests are imported, which is a fifth of that time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Excludes what was imported from garbage collection, which took 8 % of a run."""
    gc.collect()
    gc.freeze()


ClusterCopy = Callable[[Path], None]


@pytest.fixture(scope="session", name="copy_cluster")
def _copy_cluster(pytestconfig: pytest.Config) -> ClusterCopy:
    """Copies the migrated cluster into the folder of a server that has not started yet."""
    cache = pytestconfig.cache
    assert cache is not None
    return partial(migrated_cluster.copy_into, cache=cache.mkdir("migrated-cluster"))


@pytest.fixture(scope="session", name="postgres")
def _postgres(tmp_path_factory: pytest.TempPathFactory, copy_cluster: ClusterCopy) -> Iterator[Postgres]:
    """One Postgres for the whole run, whose data need not survive a power cut."""
    folder = tmp_path_factory.mktemp("postgres")
    copy_cluster(folder)
    server = Postgres(folder, settings=UNFLUSHED)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session", name="migrated")
def _migrated(postgres: Postgres) -> Database:
    """A database with the schema of every service, copied for each test."""
    return Database(postgres.url(database=TEMPLATE), PASSWORDS)


@pytest.fixture(name="database")
async def _database(postgres: Postgres, migrated: Database) -> AsyncIterator[Database]:
    """A fresh, migrated database of this test's own; `database.url("auth_service")` and so on."""
    name = f"test_{next(_NUMBERS)}"
    yield await copied(postgres, migrated, name)
    await dropped(postgres, name)


@pytest.fixture(name="empty_database")
async def _empty_database(postgres: Postgres) -> AsyncIterator[str]:
    """The superuser's URL of a fresh, empty database."""
    name = f"test_{next(_NUMBERS)}"
    await created(postgres, name)
    yield postgres.url(database=name)
    await dropped(postgres, name)


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
def _own_postgres(tmp_path_factory: pytest.TempPathFactory, copy_cluster: ClusterCopy) -> Iterator[Postgres]:
    """A Postgres of this test's own, to be stopped, killed and started at will."""
    folder = tmp_path_factory.mktemp("own-postgres")
    copy_cluster(folder)
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


STACK_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GATEWAY_RATE_LIMITS": "off",
    "KNOWLEDGE": "1",
    "AUTH_AUDIT_HEAD_SECONDS": "1",
    "USERS_WEBHOOK_HTTP": "on",
    "USERS_WEBHOOK_NETWORKS": "127.0.0.1/32",
    "AUTH_KEY_PUBLISH_SECONDS": "2",
    "JWKS_REFRESH_SECONDS": "1",
    "BOOTSTRAP_ADMIN_EMAIL": "admin@vestibule.test",
    "BOOTSTRAP_ADMIN_PASSWORD": "marble-otter-sunday-lamp",
}
"""How `stack` is started; a stack of a test's own may take it and change it."""


StackFolder = Callable[[str], Path]


@pytest.fixture(scope="session", name="stack_folder")
def _stack_folder(tmp_path_factory: pytest.TempPathFactory, copy_cluster: ClusterCopy) -> StackFolder:
    """Makes folders for stacks of a test's own, whose Postgres is migrated already."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        copy_cluster(folder / "postgres")
        return folder

    return make


@pytest.fixture(scope="session", name="collector")
def _collector() -> Iterator[Collector]:
    """Where the stack's traces go."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="session", name="chat_server")
def _chat_server() -> Iterator[ChatServer]:
    """The stack's language model."""
    with running_chat_server() as server:
        yield server


SHARED_STACK = pytest.StashKey[Stack]()


@pytest.fixture(scope="session", name="stack")
def _stack(
    stack_folder: StackFolder, collector: Collector, chat_server: ChatServer, pytestconfig: pytest.Config
) -> Iterator[Stack]:
    """The whole system, running, with one gateway and no rate limits; shared by all tests."""
    environment = STACK_ENVIRONMENT | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "KNOWLEDGE_LLM_URL": chat_server.url,
        "KNOWLEDGE_LLM_MODEL": "some-model",
        "KNOWLEDGE_SOURCE_HTTP": "on",
        "KNOWLEDGE_SOURCE_NETWORKS": "127.0.0.0/8",
        "KNOWLEDGE_SOURCE_SECONDS": "1",
        "VOICE": "1",
    }
    with Stack(stack_folder("stack"), environment, postgres_settings=UNFLUSHED) as stack:
        pytestconfig.stash[SHARED_STACK] = stack
        yield stack
        del pytestconfig.stash[SHARED_STACK]


@pytest.fixture(autouse=True)
def _restart_stopped_parts(pytestconfig: pytest.Config) -> Iterator[None]:
    """Starts the parts of the shared stack that a failed test has left stopped."""
    yield
    stack = pytestconfig.stash.get(SHARED_STACK, None)
    if stack is not None:
        for name in (*stack.services, "postgres", "redis"):
            if not stack.part(name).is_running:
                stack.start_part(name)
