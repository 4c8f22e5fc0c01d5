"""Migrations and the start-up check against a real Postgres."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from chassis.postgres import migrate, revision
from chassis.postgres.pool import Pool
from chassis.startup_errors import StartupError
from devstack.postgres import Postgres

MIGRATION = '''"""{doc}."""

from alembic import op

revision = "{revision}"
down_revision = {down}


def upgrade() -> None:
    {before}op.execute("""{sql}""")
'''

FIRST = """
CREATE TABLE item (name text NOT NULL DEFAULT 'it''s: 50% :off');
INSERT INTO item DEFAULT VALUES;
CREATE FUNCTION shout(word text) RETURNS text LANGUAGE sql AS $$ SELECT upper(word) || '::text' $$;
"""


class Shop:
    """A package with migrations, made up for one test."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.versions = folder / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        (folder / "__init__.py").touch()

    def add(self, number: int, sql: str, *, doc: str = "Do it", before: str = "") -> None:
        down = repr(f"{number - 1:04}") if number > 1 else "None"
        text = MIGRATION.format(doc=doc, revision=f"{number:04}", down=down, sql=sql, before=before)
        (self.versions / f"{number:04}_do_it.py").write_text(text)

    def remove(self, number: int) -> None:
        (self.versions / f"{number:04}_do_it.py").unlink()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Shop(tmp_path / "shop")
    sys.modules.pop("shop", None)


@pytest.fixture
async def schema(pool: Pool) -> str:
    await pool.execute("CREATE SCHEMA shop")
    return "shop"


async def test_an_empty_schema_gets_everything(
    shop: Shop, schema: str, pool: Pool, empty_database: str
) -> None:
    shop.add(1, FIRST, doc="Create items")
    shop.add(2, "ALTER TABLE item ADD COLUMN price int", doc="Price items")
    lines: list[str] = []
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=lines.append)
    assert await pool.fetchval("SELECT name FROM shop.item") == "it's: 50% :off"
    assert await pool.fetchval("SELECT shop.shout('a')") == "A::text"
    assert await revision.recorded(pool, schema) == "0002"
    assert lines == [
        "schema shop is at nothing, going to 0002",
        "applied 0001: Create items.",
        "applied 0002: Price items.",
        "schema shop is at 0002",
    ]


async def test_a_second_run_does_nothing(shop: Shop, schema: str, empty_database: str) -> None:
    shop.add(1, FIRST)
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=_silent)
    lines: list[str] = []
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=lines.append)
    assert lines == ["schema shop is at 0001: nothing to do"]


async def test_two_at_once_take_turns(shop: Shop, schema: str, pool: Pool, empty_database: str) -> None:
    shop.add(1, FIRST + "SELECT pg_sleep(0.6);")
    lines: list[str] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(
                migrate.upgrade(empty_database, schema=schema, package=shop.name, say=lines.append)
            )
    assert await pool.fetchval("SELECT count(*) FROM shop.item") == 1
    assert sum(line.startswith("applied") for line in lines) == 1
    assert "schema shop is at 0001: nothing to do" in lines
    assert "another migration of schema shop is running; waiting for it" in lines


async def test_an_index_is_built_concurrently_while_another_waits(
    shop: Shop, schema: str, pool: Pool, empty_database: str
) -> None:
    shop.add(1, FIRST + "SELECT pg_sleep(0.4);")
    shop.add(
        2,
        "CREATE INDEX CONCURRENTLY item_name ON item (name)",
        before="with op.get_context().autocommit_block(): ",
    )
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(migrate.upgrade(empty_database, schema=schema, package=shop.name, say=_silent))
    assert await pool.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'shop.item_name'::regclass"
    )


async def test_a_failing_migration_leaves_what_was_before(
    shop: Shop, schema: str, pool: Pool, empty_database: str
) -> None:
    shop.add(1, FIRST)
    shop.add(2, "CREATE TABLE half (name text); SELECT 1/0")
    with pytest.raises(StartupError, match="division by zero"):
        await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=_silent)
    assert await revision.recorded(pool, schema) == "0001"
    assert await pool.fetchval("SELECT to_regclass('shop.half')") is None
    shop.add(2, "CREATE TABLE half (name text)")
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=_silent)
    assert await revision.recorded(pool, schema) == "0002"


async def test_a_statement_does_not_wait_for_a_lock_for_ever(
    shop: Shop, schema: str, pool: Pool, empty_database: str
) -> None:
    shop.add(1, FIRST)
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=_silent)
    shop.add(2, "ALTER TABLE item ADD COLUMN price int")
    async with pool.transaction() as reader:
        await reader.fetchval("SELECT count(*) FROM shop.item")
        with pytest.raises(StartupError, match="lock timeout"):
            await migrate.upgrade(
                empty_database, schema=schema, package=shop.name, lock_timeout_seconds=0.2, say=_silent
            )


async def test_the_runtime_role_may_read_the_revision_only(
    postgres: Postgres, shop: Shop, schema: str, pool: Pool, empty_database: str
) -> None:
    role = "shop_service_for_test"
    await pool.execute(
        f"DO $$ BEGIN CREATE ROLE {role} LOGIN PASSWORD 'x';"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    await pool.execute(f"GRANT USAGE ON SCHEMA shop TO {role}")
    shop.add(1, FIRST)
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, runtime_role=role, say=_silent)
    name = empty_database.rpartition("/")[2]
    connection = await asyncpg.connect(postgres.url(user=role, password="x", database=name))
    assert await connection.fetchval("SELECT version_num FROM shop.alembic_version") == "0001"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetchval("SELECT count(*) FROM shop.item")
    await connection.close()


async def test_a_binary_starts_on_its_own_revision_and_on_later_ones(
    shop: Shop, schema: str, pool: Pool, empty_database: str
) -> None:
    shop.add(1, FIRST)
    shop.add(2, "SELECT 1")
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=_silent)
    await revision.require(pool, schema=schema, package=shop.name)
    shop.remove(2)
    await revision.require(pool, schema=schema, package=shop.name)
    lines: list[str] = []
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=lines.append)
    assert lines == ["schema shop is at 0002: nothing to do"]


async def test_a_binary_refuses_an_older_schema_and_names_the_command(
    shop: Shop, schema: str, pool: Pool, empty_database: str
) -> None:
    shop.add(1, FIRST)
    with pytest.raises(StartupError) as caught:
        await revision.require(pool, schema=schema, package=shop.name)
    assert str(caught.value) == "schema `shop` is empty, this binary needs 0001: run `python -m shop migrate`"
    await migrate.upgrade(empty_database, schema=schema, package=shop.name, say=_silent)
    shop.add(2, "SELECT 1")
    with pytest.raises(StartupError) as caught:
        await revision.require(pool, schema=schema, package=shop.name)
    assert (
        str(caught.value) == "schema `shop` is at 0001, this binary needs 0002: run `python -m shop migrate`"
    )


def test_the_head_by_file_names_is_alembics_head(shop: Shop) -> None:
    for number in (1, 2, 3):
        shop.add(number, "SELECT 1")
    config = Config()
    config.set_main_option("script_location", migrate._folder("chassis.postgres", "alembic_environment"))
    config.set_main_option("version_locations", str(shop.versions))
    config.set_main_option("path_separator", "os")
    assert revision.head(shop.name) == ScriptDirectory.from_config(config).get_current_head() == "0003"


def test_the_command_line_reports_the_revision(
    shop: Shop, empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.add(1, "SELECT 1")
    _create_schema(empty_database)
    options = {"url": empty_database, "schema": "shop", "package": "shop"}
    assert migrate.main(["check"], **options) == 1
    assert migrate.main([], **options) == 0
    assert migrate.main(["current"], **options) == 0
    assert migrate.main(["check"], **options) == 0
    assert "schema shop is at 0001, the binary's head is 0001" in capsys.readouterr().out


def _create_schema(url: str) -> None:
    async def create() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE SCHEMA shop")
        await connection.close()

    asyncio.run(create())


def _silent(line: str) -> None:
    del line
