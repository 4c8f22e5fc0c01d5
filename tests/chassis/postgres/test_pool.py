"""The pool against a real Postgres: what heals, what is refused, and how quickly."""

import asyncio
from time import monotonic

import asyncpg
import pytest
from chassis.errors import Unavailable
from chassis.postgres.connection import rows_affected
from chassis.postgres.pool import Pool, open_pool
from chassis.startup_errors import StartupError
from devstack.ports import free_port
from devstack.postgres import Postgres

from tests.waiting import SLOW_MACHINE_SECONDS


async def test_a_transaction_commits_and_then_calls_back(pool: Pool) -> None:
    await pool.execute("CREATE TABLE item (name text)")
    called: list[int] = []
    async with pool.transaction() as transaction:
        transaction.after_commit(lambda: called.append(1))
        transaction.after_commit(lambda: called.append(2))
        assert rows_affected(await transaction.execute("INSERT INTO item VALUES ('a'), ('b')")) == 2
        assert not called
    assert called == [1, 2]
    assert await pool.fetchval("SELECT count(*) FROM item") == 2


async def test_an_error_rolls_back_and_calls_nothing(pool: Pool) -> None:
    await pool.execute("CREATE TABLE item (name text)")
    called: list[int] = []
    with pytest.raises(KeyError):
        async with pool.transaction() as transaction:
            transaction.after_commit(lambda: called.append(1))
            await transaction.execute("INSERT INTO item VALUES ('a')")
            raise KeyError
    assert called == []
    assert await pool.fetchval("SELECT count(*) FROM item") == 0


async def test_a_commit_that_fails_calls_nothing(pool: Pool) -> None:
    await pool.execute("CREATE TABLE item (name text UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    called: list[int] = []
    with pytest.raises(asyncpg.UniqueViolationError):
        async with pool.transaction() as transaction:
            transaction.after_commit(lambda: called.append(1))
            await transaction.execute("INSERT INTO item VALUES ('a'), ('a')")
    assert called == []


async def test_constraint_violations_reach_the_adapter_by_name(pool: Pool) -> None:
    await pool.execute("CREATE TABLE item (name text CONSTRAINT item_name_unique UNIQUE)")
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await pool.execute("INSERT INTO item VALUES ('a'), ('a')")
    assert caught.value.constraint_name == "item_name_unique"


async def test_no_error_holds_values_of_the_row(pool: Pool) -> None:
    """Whatever raises it: its text is in log lines."""
    await pool.execute("CREATE TABLE item (name text UNIQUE CHECK (name <> 'ada'), place text)")
    await pool.execute("CREATE TABLE late (name text UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(asyncpg.CheckViolationError) as checked:
        await pool.execute("INSERT INTO item VALUES ('ada', 'ada@example.com')")
    with pytest.raises(asyncpg.UniqueViolationError) as unique:
        await pool.fetch("INSERT INTO item VALUES ('bob@example.com'), ('bob@example.com')")
    with pytest.raises(asyncpg.UniqueViolationError) as commit:
        async with pool.transaction() as transaction:
            await transaction.execute("INSERT INTO late VALUES ('eve@example.com'), ('eve@example.com')")
    for caught in (checked, unique, commit):
        assert "@example.com" not in str(caught.value)


async def test_json_and_times_are_python_values(pool: Pool) -> None:
    row = await pool.fetchrow("SELECT $1::jsonb AS document, now() AS time", {"a": [1, "ü"]})
    assert row is not None
    assert row["document"] == {"a": [1, "ü"]}
    assert row["time"].utcoffset().total_seconds() == 0


async def test_an_exhausted_pool_is_unavailable_in_time(empty_database: str) -> None:
    async with open_pool(
        empty_database, application_name="t", max_size=1, acquire_timeout_seconds=0.2
    ) as pool:
        async with pool.acquire():
            started = monotonic()
            with pytest.raises(Unavailable) as caught:
                await pool.execute("SELECT 1")
            assert 0.15 < monotonic() - started < SLOW_MACHINE_SECONDS
            assert caught.value.retry_after_seconds
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_slow_statement_is_cut_and_the_connection_lives_on(empty_database: str) -> None:
    async with open_pool(
        empty_database, application_name="t", max_size=1, statement_timeout_seconds=0.2
    ) as pool:
        before = await pool.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(Unavailable):
            await pool.execute("SELECT pg_sleep(5)")
        assert await pool.fetchval("SELECT pg_backend_pid()") == before


async def test_waiting_for_a_lock_ends(empty_database: str) -> None:
    async with open_pool(empty_database, application_name="t", lock_timeout_seconds=0.2) as pool:
        await pool.execute("CREATE TABLE item (name text)")
        async with pool.transaction() as holder:
            await holder.execute("LOCK TABLE item")
            with pytest.raises(Unavailable):
                await pool.execute("INSERT INTO item VALUES ('a')")


async def test_want_of_room_is_unavailable(pool: Pool) -> None:
    """So is a full disk, which Postgres reports by the same class of errors."""
    async with pool.acquire() as connection:
        await connection.execute("SET temp_file_limit = '64kB'")
        await connection.execute("SET work_mem = '64kB'")
        with pytest.raises(Unavailable):
            await connection.execute("SELECT n FROM generate_series(1, 100000) AS n ORDER BY -n")
        await connection.execute("RESET ALL")
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_server_that_no_longer_writes_is_left(empty_database: str) -> None:
    """As after a failover: what was the primary refuses, and the next connection finds the new one."""
    async with open_pool(empty_database, application_name="t", max_size=1) as pool:
        before = await pool.fetchval("SELECT pg_backend_pid()")
        async with pool.acquire() as connection:
            await connection.execute("SET default_transaction_read_only = on")
            with pytest.raises(Unavailable):
                await connection.execute("CREATE TABLE item (name text)")
        assert await pool.fetchval("SELECT pg_backend_pid()") != before
        await pool.execute("CREATE TABLE item (name text)")


async def test_a_transaction_left_idle_is_ended_by_postgres(empty_database: str) -> None:
    async with open_pool(
        empty_database, application_name="t", idle_in_transaction_timeout_seconds=0.2
    ) as pool:
        with pytest.raises(Unavailable):
            async with pool.transaction() as transaction:
                await transaction.execute("SELECT 1")
                await asyncio.sleep(0.5)
                await transaction.execute("SELECT 1")
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_cancelled_query_gives_its_connection_back(empty_database: str) -> None:
    async with open_pool(empty_database, application_name="t", max_size=1) as pool:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), pool.transaction() as transaction:
                    await transaction.execute("SELECT pg_sleep(5)")
        assert await pool.fetchval("SELECT 1") == 1


async def test_session_settings_are_what_was_asked(empty_database: str) -> None:
    async with open_pool(empty_database, application_name="stock-service") as pool:
        assert await pool.fetchval("SHOW application_name") == "stock-service"
        assert await pool.fetchval("SHOW statement_timeout") == "5s"
        assert await pool.fetchval("SHOW lock_timeout") == "3s"
        assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == "10s"


async def test_an_outage_is_unavailable_at_once_and_heals(own_postgres: Postgres) -> None:
    async with open_pool(own_postgres.url(), application_name="t", max_size=3) as pool:
        await pool.execute("CREATE TABLE item (name text)")
        with pytest.raises(Unavailable):
            async with pool.transaction() as transaction:
                await transaction.execute("INSERT INTO item VALUES ('lost')")
                await asyncio.to_thread(own_postgres.kill)
                await transaction.execute("INSERT INTO item VALUES ('lost too')")
        started = monotonic()
        with pytest.raises(Unavailable):
            await pool.fetchval("SELECT 1")
        assert monotonic() - started < SLOW_MACHINE_SECONDS
        await asyncio.to_thread(own_postgres.start)
        assert await pool.fetchval("SELECT count(*) FROM item") == 0


async def test_terminated_backends_are_unavailable_once(pool: Pool, empty_database: str) -> None:
    async with pool.acquire() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        other = await asyncpg.connect(empty_database)
        await other.execute("SELECT pg_terminate_backend($1)", pid)
        await other.close()
        with pytest.raises(Unavailable):
            await connection.execute("SELECT pg_sleep(1)")
    assert await pool.fetchval("SELECT 1") == 1


async def test_start_waits_for_postgres(own_postgres: Postgres) -> None:
    await asyncio.to_thread(own_postgres.stop)
    opening = asyncio.create_task(_select_one(own_postgres.url()))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own_postgres.start)
    assert await opening == 1


async def test_start_gives_up_with_a_sentence_and_no_password() -> None:
    port = free_port()
    with pytest.raises(StartupError) as caught:
        async with open_pool(
            f"postgresql://me:hush@127.0.0.1:{port}/x", application_name="t", connect_within_seconds=0.3
        ):
            pass
    assert str(port) in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_an_unknown_database_is_reported_at_once(postgres: Postgres) -> None:
    started = monotonic()
    with pytest.raises(StartupError, match="nowhere"):
        async with open_pool(postgres.url(database="nowhere"), application_name="t"):
            pass
    assert monotonic() - started < SLOW_MACHINE_SECONDS


async def _select_one(url: str) -> int:
    async with open_pool(url, application_name="t", connect_within_seconds=10) as pool:
        return int(await pool.fetchval("SELECT 1"))
