"""The pool against a real Postgres: what heals, what is refused, and how quickly."""

import asyncio
import signal
from time import monotonic

import asyncpg
import pytest
from chassis.errors import Unavailable
from chassis.postgres.connection import rows_affected
from chassis.postgres.pool import Database, open_database
from chassis.startup import StartupError

from tests.chassis.servers import PostgresServer, create_database, free_port


async def test_a_transaction_commits_and_then_calls_back(database: Database) -> None:
    await database.execute("CREATE TABLE item (name text)")
    called: list[int] = []
    async with database.transaction() as transaction:
        transaction.after_commit(lambda: called.append(1))
        transaction.after_commit(lambda: called.append(2))
        assert rows_affected(await transaction.execute("INSERT INTO item VALUES ('a'), ('b')")) == 2
        assert not called
    assert called == [1, 2]
    assert await database.fetchval("SELECT count(*) FROM item") == 2


async def test_an_error_rolls_back_and_calls_nothing(database: Database) -> None:
    await database.execute("CREATE TABLE item (name text)")
    called: list[int] = []
    with pytest.raises(KeyError):
        async with database.transaction() as transaction:
            transaction.after_commit(lambda: called.append(1))
            await transaction.execute("INSERT INTO item VALUES ('a')")
            raise KeyError
    assert called == []
    assert await database.fetchval("SELECT count(*) FROM item") == 0


async def test_a_commit_that_fails_calls_nothing(database: Database) -> None:
    await database.execute("CREATE TABLE item (name text UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    called: list[int] = []
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction() as transaction:
            transaction.after_commit(lambda: called.append(1))
            await transaction.execute("INSERT INTO item VALUES ('a'), ('a')")
    assert called == []


async def test_constraint_violations_reach_the_adapter_by_name(database: Database) -> None:
    await database.execute("CREATE TABLE item (name text CONSTRAINT item_name_unique UNIQUE)")
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await database.execute("INSERT INTO item VALUES ('a'), ('a')")
    assert caught.value.constraint_name == "item_name_unique"


async def test_json_and_times_are_python_values(database: Database) -> None:
    row = await database.fetchrow("SELECT $1::jsonb AS document, now() AS time", {"a": [1, "ü"]})
    assert row is not None
    assert row["document"] == {"a": [1, "ü"]}
    assert row["time"].utcoffset().total_seconds() == 0


async def test_an_exhausted_pool_is_unavailable_in_time(postgres_url: str) -> None:
    async with open_database(
        postgres_url, application_name="t", max_size=1, acquire_timeout_seconds=0.2
    ) as database:
        async with database.acquire():
            started = monotonic()
            with pytest.raises(Unavailable) as caught:
                await database.execute("SELECT 1")
            assert 0.15 < monotonic() - started < 0.6
            assert caught.value.retry_after_seconds
        assert await database.fetchval("SELECT 1") == 1


async def test_a_slow_statement_is_cut_and_the_connection_lives_on(postgres_url: str) -> None:
    async with open_database(
        postgres_url, application_name="t", max_size=1, statement_timeout_seconds=0.2
    ) as database:
        before = await database.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(Unavailable):
            await database.execute("SELECT pg_sleep(5)")
        assert await database.fetchval("SELECT pg_backend_pid()") == before


async def test_waiting_for_a_lock_ends(postgres_url: str) -> None:
    async with open_database(postgres_url, application_name="t", lock_timeout_seconds=0.2) as database:
        await database.execute("CREATE TABLE item (name text)")
        async with database.transaction() as holder:
            await holder.execute("LOCK TABLE item")
            with pytest.raises(Unavailable):
                await database.execute("INSERT INTO item VALUES ('a')")


async def test_a_transaction_left_idle_is_ended_by_postgres(postgres_url: str) -> None:
    async with open_database(
        postgres_url, application_name="t", idle_in_transaction_timeout_seconds=0.2
    ) as database:
        with pytest.raises(Unavailable):
            async with database.transaction() as transaction:
                await transaction.execute("SELECT 1")
                await asyncio.sleep(0.5)
                await transaction.execute("SELECT 1")
        assert await database.fetchval("SELECT 1") == 1


async def test_a_cancelled_query_gives_its_connection_back(postgres_url: str) -> None:
    async with open_database(postgres_url, application_name="t", max_size=1) as database:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), database.transaction() as transaction:
                    await transaction.execute("SELECT pg_sleep(5)")
        assert await database.fetchval("SELECT 1") == 1


async def test_session_settings_are_what_was_asked(postgres_url: str) -> None:
    async with open_database(postgres_url, application_name="stock-service") as database:
        assert await database.fetchval("SHOW application_name") == "stock-service"
        assert await database.fetchval("SHOW statement_timeout") == "5s"
        assert await database.fetchval("SHOW lock_timeout") == "3s"
        assert await database.fetchval("SHOW idle_in_transaction_session_timeout") == "10s"


async def test_an_outage_is_unavailable_at_once_and_heals() -> None:
    server = PostgresServer()
    server.start()
    try:
        url = await create_database(server, "outage")
        async with open_database(url, application_name="t", max_size=3) as database:
            await database.execute("CREATE TABLE item (name text)")
            with pytest.raises(Unavailable):
                async with database.transaction() as transaction:
                    await transaction.execute("INSERT INTO item VALUES ('lost')")
                    await asyncio.to_thread(server.stop, signal.SIGQUIT)
                    await transaction.execute("INSERT INTO item VALUES ('lost too')")
            started = monotonic()
            with pytest.raises(Unavailable):
                await database.fetchval("SELECT 1")
            assert monotonic() - started < 1
            await asyncio.to_thread(server.start)
            assert await database.fetchval("SELECT count(*) FROM item") == 0
    finally:
        server.remove()


async def test_terminated_backends_are_unavailable_once(database: Database, postgres_url: str) -> None:
    async with database.acquire() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        other = await asyncpg.connect(postgres_url)
        await other.execute("SELECT pg_terminate_backend($1)", pid)
        await other.close()
        with pytest.raises(Unavailable):
            await connection.execute("SELECT pg_sleep(1)")
    assert await database.fetchval("SELECT 1") == 1


async def test_start_waits_for_postgres() -> None:
    server = PostgresServer()
    try:
        opening = asyncio.create_task(_select_one(server.url()))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        assert await opening == 1
    finally:
        server.remove()


async def test_start_gives_up_with_a_sentence_and_no_password() -> None:
    port = free_port()
    with pytest.raises(StartupError) as caught:
        async with open_database(
            f"postgresql://me:hush@127.0.0.1:{port}/x", application_name="t", connect_within_seconds=0.3
        ):
            pass
    assert str(port) in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_an_unknown_database_is_told_at_once(postgres_server: PostgresServer) -> None:
    started = monotonic()
    with pytest.raises(StartupError, match="nowhere"):
        async with open_database(postgres_server.url("nowhere"), application_name="t"):
            pass
    assert monotonic() - started < 2


async def _select_one(url: str) -> int:
    async with open_database(url, application_name="t", connect_within_seconds=10) as database:
        return int(await database.fetchval("SELECT 1"))
