"""Signing keys that follow one another, on a real Postgres and by the command line."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.errors import SuccessorWaits
from auth_service.domain.signing_key import OUTLIVES, KeyState, Schedule
from auth_service.usecases.signing_keys import (
    EnsureSigningKey,
    ListSigningKeys,
    RetireSigningKeys,
    RotateSigningKey,
)
from chassis.postgres.pool import Pool
from devstack.database import Database as DevelopmentDatabase

from tests.auth_service.command_line import Environment, output_of, ran
from tests.auth_service.conftest import MASTER_KEY
from tests.fakes.auth_service.clock import FakeClock

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
TIMES = Schedule(every=30 * DAY, published_for=15 * MINUTE)


class Keys:
    """The use cases about keys, at a time of the test's choice."""

    def __init__(self, pool: Pool) -> None:
        self.clock = FakeClock()
        self.units = PostgresUnitsOfWork(pool)
        self.rotate = RotateSigningKey(self.units, MASTER_KEY, TIMES, self.clock)
        self.retire = RetireSigningKeys(self.units, MASTER_KEY, self.clock)

    async def first(self) -> KeyRing:
        """Makes the first key, and returns the ring of a process."""
        await EnsureSigningKey(self.units, MASTER_KEY, self.clock)()
        ring = KeyRing(self.units, MASTER_KEY, self.clock)
        await ring.load()
        return ring

    async def states(self) -> list[KeyState]:
        """Returns the state of each key, the oldest first."""
        return [key.state for key in await ListSigningKeys(self.units, self.clock)()]


@pytest.fixture(name="keys")
def _keys(pool: Pool) -> Keys:
    return Keys(pool)


async def test_a_key_lives_from_publication_to_its_destruction(keys: Keys, pool: Pool) -> None:
    """A successor is published in time; the old key goes with its last token, its public half stays."""
    ring = await keys.first()
    old, _ = ring.signing()
    keys.clock.advance(30 * DAY - 16 * MINUTE)
    assert await keys.rotate.if_due() == 0

    keys.clock.advance(MINUTE)
    assert await keys.rotate.if_due() == 1
    await ring.load()
    assert await keys.states() == ["active", "published"]
    assert (ring.signing()[0], len(ring.verifying())) == (old, 2)

    keys.clock.advance(15 * MINUTE)
    new, _ = ring.signing()
    assert new != old
    assert await keys.states() == ["retiring", "active"]
    assert old in ring.verifying()

    keys.clock.advance(OUTLIVES - MINUTE)
    assert await keys.retire() == 0
    keys.clock.advance(MINUTE)
    assert await keys.retire() == 1
    await ring.load()
    assert list(ring.verifying()) == [new]
    assert await keys.states() == ["retired", "active"]
    async with keys.units.statements() as unit:
        (over,) = await unit.signing_keys.retired()
    assert (over.kid, MASTER_KEY.attested(over)) == (old, True)
    assert not MasterKey(b"x" * 32).attested(over)
    rows = await pool.fetch("SELECT to_jsonb(k)::text AS row FROM auth.retired_signing_keys k")
    assert "private" not in rows[0]["row"]
    actions = await pool.fetch("SELECT action, details FROM auth.audit_events ORDER BY sequence")
    assert [(row["action"], row["details"]["kid"]) for row in actions] == [
        ("auth.key_rotated", new),
        ("auth.key_retired", old),
    ]


async def test_schedules_that_fall_due_at_once_rotate_once(keys: Keys) -> None:
    """A lock lets one of the instances do it; retiring as well."""
    await keys.first()
    keys.clock.advance(30 * DAY)

    assert sum(await asyncio.gather(*(keys.rotate.if_due() for _ in range(6)))) == 1
    keys.clock.advance(15 * MINUTE + OUTLIVES)
    assert sum(await asyncio.gather(*(keys.retire() for _ in range(6)))) == 1
    assert await keys.states() == ["retired", "active"]


async def test_a_key_is_not_passed_over(keys: Keys) -> None:
    """While a successor waits to sign, there is no other; after that there may be the next."""
    await keys.first()
    rotation = await keys.rotate()

    with pytest.raises(SuccessorWaits) as caught:
        await keys.rotate()
    assert caught.value.details["kid"] == rotation.successor.kid
    keys.clock.advance(15 * MINUTE)
    await keys.rotate()
    assert await keys.states() == ["retiring", "active", "published"]


async def test_what_is_kept_of_retired_keys_cannot_be_changed(
    keys: Keys, pool: Pool, emptied_database: DevelopmentDatabase
) -> None:
    """Not by the service; a change by the database's owner is detected with the master key."""
    await keys.first()
    await keys.rotate()
    keys.clock.advance(15 * MINUTE + OUTLIVES)
    await keys.retire()

    for statement in (
        "UPDATE auth.retired_signing_keys SET x = y",
        "DELETE FROM auth.retired_signing_keys",
        "TRUNCATE auth.retired_signing_keys",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    owner = await asyncpg.connect(emptied_database.url("auth_owner"))
    await owner.execute("UPDATE auth.retired_signing_keys SET x = y")
    await owner.close()
    async with keys.units.statements() as unit:
        assert [MASTER_KEY.attested(key) for key in await unit.signing_keys.retired()] == [False]


async def test_keys_from_the_command_line(environment: Environment, keys: Keys, pool: Pool) -> None:
    """`rotate` says what it did, or why not; `list` shows every key and nothing of its private half."""
    keys.clock.time = datetime.now(UTC)
    await EnsureSigningKey(keys.units, MASTER_KEY, keys.clock)()

    status, said = await ran(environment, "keys", "rotate")
    again, refused = await ran(environment, "keys", "rotate")
    _, listed = await ran(environment, "keys", "list")

    kids = [row["kid"] for row in await pool.fetch("SELECT kid FROM auth.signing_keys ORDER BY active_from")]
    assert status == 0
    assert [line.split()[:2] for line in said.splitlines()] == [[kids[1], "is"], [kids[0], "retires"]]
    assert (again, len(refused.splitlines())) == (1, 1)
    assert "nothing was done" in refused
    assert kids[1] in refused
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        [kids[0], "active"],
        [kids[1], "published"],
    ]


async def test_the_command_line_needs_the_right_master_key(environment: Environment, keys: Keys) -> None:
    """A key sealed by another one would be lost to every instance."""
    keys.clock.time = datetime.now(UTC)
    await EnsureSigningKey(keys.units, MASTER_KEY, keys.clock)()
    other = {**environment, "AUTH_MASTER_KEY": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="}

    status, said = await ran(other, "keys", "rotate")

    assert status == 1
    assert "AUTH_MASTER_KEY does not open" in said
    assert await keys.states() == ["active"]


async def test_rotation_is_slower_than_publication(environment: Environment) -> None:
    """A schedule that would publish keys without end is refused at the start."""
    status, said = await output_of({**environment, "AUTH_KEY_ROTATION_DAYS": "0.001"})

    assert (status, said.count("\n")) == (1, 1)
    assert "AUTH_KEY_ROTATION_DAYS" in said
