"""An end to how long the audit is kept, on a real Postgres: what goes, what stays, and who notices more."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from auth_service.adapters.audit_heads import EcdsaHeadSigner
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.commands.audit import WITNESS_NOT_ASKED
from chassis.clock import SystemClock
from chassis.postgres.pool import Pool
from devstack.database import Database as DevelopmentDatabase

from chassis import exits
from tests.auth_service.command_line import Environment, ran
from tests.auth_service.conftest import MASTER_KEY
from tests.auth_service.service import Service

Owner = Any  # asyncpg has no types


@pytest.fixture(name="owner")
async def _owner(emptied_database: DevelopmentDatabase) -> AsyncIterator[Owner]:
    """A role that may do anything with the tables."""
    connection = await asyncpg.connect(emptied_database.url("auth_owner"))
    yield connection
    await connection.close()


@pytest.fixture(name="six_years")
def _six_years(environment: Environment, emptied_database: DevelopmentDatabase) -> Environment:
    """The environment of the command that prunes."""
    url = emptied_database.url("auth_owner")
    return environment | {"AUTH_AUDIT_RETENTION_YEARS": "6", "AUTH_MIGRATION_POSTGRES_URL": url}


async def _seven_entries(service: Service, pool: Pool) -> None:
    """Heads signed seven years ago at 2, six and a half at 4, yesterday at 6, and none at 7."""
    units, clock = PostgresUnitsOfWork(pool), SystemClock()
    ring = KeyRing(units, MASTER_KEY, clock)
    await ring.load()
    await service.register()
    for _ in range(6):
        await service.login()
    for place, days in ((2, 7 * 366), (4, 6 * 366 + 183), (6, 1)):
        async with units.statements() as unit:
            (entry,) = await unit.audit.after(place - 1, 1)
            at = datetime.now(UTC) - timedelta(days=days)
            await unit.audit_heads.add(EcdsaHeadSigner(ring).sign(place, entry.hash, at))


def names_in(folder: Path) -> list[str]:
    """Returns what is in a folder."""
    return [file.name for file in folder.iterdir()]


async def _places(owner: Owner) -> list[int]:
    rows = await owner.fetch("SELECT sequence FROM auth.audit_events ORDER BY sequence")
    return [row["sequence"] for row in rows]


async def test_what_is_over_goes_and_the_rest_still_verifies(
    service: Service, pool: Pool, owner: Owner, six_years: Environment, tmp_path: Path
) -> None:
    """As far as the last head that is old enough; the chain goes on, is signed, verified and exported."""
    await _seven_entries(service, pool)
    status, said = await ran(six_years, "audit", "prune")
    removed = "4 events older than 6 years were removed; the chain begins after 4"
    assert (status, said) == (0, f"{removed}\n{WITNESS_NOT_ASKED}\n")
    assert await _places(owner) == [5, 6, 7, 8]
    details = json.loads(
        await owner.fetchval("SELECT details FROM auth.audit_events WHERE action = 'auth.audit_pruned'")
    )
    assert details == {"events": "4", "through": "4"}
    assert (await ran(six_years, "audit", "prune"))[1].startswith("0 events")

    assert (await service.sign_audit_head()) is not None
    status, said = await ran(six_years, "audit", "verify")
    assert status == 0, said
    assert "intact: 4 events" in said
    assert "entries up to 4 have served their time" in said
    assert (await ran(six_years, "audit", "export", "--output", str(tmp_path)))[0] == 0
    assert names_in(tmp_path) == ["audit-000000000005-000000000008.jsonl"]
    assert (await ran(six_years, "audit", "verify", str(tmp_path)))[0] == 0


@pytest.mark.parametrize(
    ("years", "tampering", "problem"),
    [
        ("6", "DELETE FROM auth.audit_events WHERE sequence = 5", "entry 5 was removed"),
        ("6", "DELETE FROM auth.audit_events WHERE sequence <= 6", "entry 5 was removed"),
        ("6", "UPDATE auth.audit_events SET ip = 'x' WHERE sequence = 6", "entry 6 was altered"),
        ("6", "UPDATE auth.audit_heads SET at = at - interval '1 year'", "entry 1 was removed"),
        ("6", "DELETE FROM auth.audit_heads WHERE sequence = 4", "entry 1 was removed"),
        ("7", "SELECT 1", "entry 1 was removed"),
        ("", "SELECT 1", "entry 1 was removed"),
    ],
)
async def test_removing_more_is_detected(
    service: Service,
    pool: Pool,
    owner: Owner,
    six_years: Environment,
    years: str,
    tampering: str,
    problem: str,
) -> None:
    """A head cannot be made older, and vouches for nothing where entries are kept longer or for ever."""
    await _seven_entries(service, pool)
    assert (await ran(six_years, "audit", "prune"))[0] == 0
    await owner.execute(tampering)

    status, said = await ran(six_years | {"AUTH_AUDIT_RETENTION_YEARS": years}, "audit", "verify")

    assert (status, problem in said) == (1, True), said


async def test_nothing_is_removed_of_a_broken_chain(
    service: Service, pool: Pool, owner: Owner, six_years: Environment
) -> None:
    """It may be evidence."""
    await _seven_entries(service, pool)
    await owner.execute("UPDATE auth.audit_events SET ip = 'x' WHERE sequence = 7")

    status, said = await ran(six_years, "audit", "prune")

    assert (status, said.startswith("audit prune: nothing was removed: entry 7 was altered")) == (1, True)
    assert await _places(owner) == [1, 2, 3, 4, 5, 6, 7]


async def test_the_newest_head_stays_however_old(
    service: Service, pool: Pool, owner: Owner, six_years: Environment
) -> None:
    """The chain goes on from there."""
    await _seven_entries(service, pool)
    await owner.execute("DELETE FROM auth.audit_events WHERE sequence = 7")
    await owner.execute("DELETE FROM auth.audit_heads WHERE sequence = 6")

    assert (await ran(six_years, "audit", "prune"))[0] == 0

    assert await _places(owner) == [3, 4, 5, 6, 7]
    assert (await ran(six_years, "audit", "verify"))[0] == 0


async def test_who_may_not(
    service: Service,
    pool: Pool,
    owner: Owner,
    six_years: Environment,
    emptied_database: DevelopmentDatabase,
) -> None:
    """The service's own role removes nothing, and the strict profile keeps for six years at least."""
    await _seven_entries(service, pool)
    writer = six_years | {"AUTH_MIGRATION_POSTGRES_URL": emptied_database.url("auth_service")}
    hasty = six_years | {"PROFILE": "strict", "AUTH_AUDIT_RETENTION_YEARS": "5"}
    for environment, status, problem in (
        (writer, 2, "set auth_owner's"),
        (hasty, exits.CONFIG, "is less than 6"),
    ):
        ended, said = await ran(environment, "audit", "prune")
        assert (ended, problem in said) == (status, True), said

    assert await _places(owner) == [1, 2, 3, 4, 5, 6, 7]
