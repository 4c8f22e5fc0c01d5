"""The counts of audit entries per action, which triggers keep: always those of the entries themselves."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.audit import AuditEntry, AuditFilter
from chassis.ids import uuid7
from chassis.postgres.pool import Pool
from devstack.database import Database

from tests.migrating import migrate_once_more

ACTIONS = ("users.read", "users.update", "auth.login")
MIGRATION = "auth_service.migrations.versions.0040_count_audit_actions"


def _entry(action: str) -> AuditEntry:
    return AuditEntry(occurred_at=datetime.now(UTC), action=action, outcome="success", actor_id=uuid7())


async def _append(pool: Pool, *actions: str) -> None:
    async with PostgresUnitsOfWork(pool).transaction() as unit:
        for action in actions:
            await unit.audit.append(_entry(action))


async def _counts(database: Database) -> tuple[dict[str, int], dict[str, int]]:
    """Returns what is kept, and what there is, without actions that have no entry."""
    owner = await asyncpg.connect(database.url("auth_owner"))
    try:
        kept = await owner.fetch("SELECT action, entries FROM auth.audit_counts WHERE entries <> 0")
        there = await owner.fetch("SELECT action, count(*) FROM auth.audit_events GROUP BY action")
    finally:
        await owner.close()
    return {row[0]: row[1] for row in kept}, {row[0]: row[1] for row in there}


async def test_a_page_of_one_action_states_how_many_there_are(pool: Pool) -> None:
    """Also of an action that there is no entry of, and beside another condition."""
    await _append(pool, *ACTIONS, *ACTIONS, ACTIONS[0])

    async with PostgresUnitsOfWork(pool).transaction() as unit:
        counted = [
            await unit.audit.count(AuditFilter(action=action)) for action in (*ACTIONS, "no.such_action")
        ]
        since = AuditFilter(action=ACTIONS[0], since=datetime(2020, 1, 1, tzinfo=UTC))
        with_time = await unit.audit.count(since)

    assert counted == [3, 2, 2, 0]
    assert with_time == 3


async def test_writers_and_a_removal_at_once(pool: Pool, emptied_database: Database) -> None:
    """In orders that would deadlock if each locked its counts first; what is rolled back is not counted."""
    await _append(pool, *ACTIONS * 10)
    owner = await asyncpg.connect(emptied_database.url("auth_owner"))

    async def roll_back() -> None:
        with pytest.raises(ZeroDivisionError):
            async with PostgresUnitsOfWork(pool).transaction() as unit:
                await unit.audit.append(_entry(ACTIONS[0]))
                1 / 0  # noqa: B018

    async def remove() -> None:
        for through in range(1, 21):
            await owner.execute("DELETE FROM auth.audit_events WHERE sequence <= $1", through)

    try:
        writers = [_append(pool, *actions) for actions in (ACTIONS, ACTIONS[::-1]) for _ in range(15)]
        await asyncio.gather(*writers, remove(), *(roll_back() for _ in range(5)))
    finally:
        await owner.close()

    kept, there = await _counts(emptied_database)
    assert kept == there
    assert sum(there.values()) == 30 + 30 * len(ACTIONS) - 20


async def test_entries_of_the_release_before_are_counted(pool: Pool, emptied_database: Database) -> None:
    """The migration counts what is there."""
    await _append(pool, *ACTIONS, ACTIONS[2])
    owner = await asyncpg.connect(emptied_database.url("auth_owner"))
    try:
        await owner.execute(
            "DROP TRIGGER audit_events_count_added ON auth.audit_events;"
            "DROP TRIGGER audit_events_count_removed ON auth.audit_events;"
            "DROP FUNCTION auth.count_audit_events; DROP TABLE auth.audit_counts"
        )
    finally:
        await owner.close()

    await migrate_once_more(emptied_database.url("auth_owner"), MIGRATION)

    kept, there = await _counts(emptied_database)
    assert kept == there == {ACTIONS[0]: 1, ACTIONS[1]: 1, ACTIONS[2]: 2}
