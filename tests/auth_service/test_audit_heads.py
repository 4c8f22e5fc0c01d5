"""Signed heads on Postgres: keys that come and go, and an attacker who owns the database."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from auth_service.adapters.audit_heads import EcdsaHeadSigner, EcdsaHeadVerifier
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.audit import chained_of
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.audit import chain_hash
from auth_service.domain.retention import FOR_EVER
from auth_service.domain.signing_key import OUTLIVES, Schedule
from auth_service.usecases.audit_verification import FindAuditBeginning, VerifyAuditEvents
from auth_service.usecases.signing_keys import RetireSigningKeys, RotateSigningKey
from chassis.postgres.pool import Pool
from devstack.database import Database as DevelopmentDatabase

from tests.auth_service.command_line import Environment, ran
from tests.auth_service.conftest import MASTER_KEY
from tests.auth_service.service import Service
from tests.fakes.auth_service.clock import FakeClock

Owner = Any  # asyncpg has no types


@pytest.fixture(name="owner")
async def _owner(emptied_database: DevelopmentDatabase) -> AsyncIterator[Owner]:
    """A role that may do anything with the tables."""
    connection = await asyncpg.connect(emptied_database.url("auth_owner"))
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    yield connection
    await connection.close()


async def _signed(service: Service) -> None:
    """Six entries, with heads signed at 3 and 6."""
    await service.register()
    for _ in range(2):
        for _ in range(3 if await service.count("audit_heads") else 2):
            await service.login()
        assert await service.sign_audit_head() is not None


async def _rewrite(owner: Owner, first: int) -> None:
    """Alters an entry, and computes every hash after it as if it had always been so."""
    rows = await owner.fetch("SELECT * FROM auth.audit_trail WHERE sequence >= $1 ORDER BY sequence", first)
    previous = await owner.fetchval("SELECT hash FROM auth.audit_events WHERE sequence = $1", first - 1)
    await owner.execute("UPDATE auth.audit_events SET outcome = 'failed' WHERE sequence = $1", first)
    for row in rows:
        chained = chained_of(row)
        entry = replace(chained.entry, outcome="failed") if chained.sequence == first else chained.entry
        previous = chain_hash(previous, chained.sequence, entry)
        await owner.execute(
            "UPDATE auth.audit_events SET hash = $2 WHERE sequence = $1", chained.sequence, previous
        )


async def test_signatures_outlive_their_keys(service: Service, pool: Pool) -> None:
    """A key that is long retired still vouches for what it signed."""
    await _signed(service)
    units, clock = PostgresUnitsOfWork(pool), FakeClock(datetime.now(UTC))
    times = Schedule(every=timedelta(days=30), published_for=timedelta(minutes=15))
    rotation = await RotateSigningKey(units, MASTER_KEY, times, clock)()
    clock.advance(times.published_for + OUTLIVES)
    assert await RetireSigningKeys(units, MASTER_KEY, clock)() == 1
    ring = KeyRing(units, MASTER_KEY, clock)
    await ring.load()
    async with units.statements() as unit:
        (newest,) = await unit.audit.after(7, 10)
        await unit.audit_heads.add(EcdsaHeadSigner(ring).sign(8, newest.hash, clock.now()))

    verifier = EcdsaHeadVerifier(units, MASTER_KEY)
    beginning = FindAuditBeginning(units, verifier, FOR_EVER, clock)
    report = await VerifyAuditEvents(units, verifier, beginning)()

    assert (report.intact, report.events, report.heads, report.signed_until) == (True, 8, 3, 8)
    assert (
        await pool.fetchval("SELECT kid FROM auth.audit_heads WHERE sequence = 8") == rotation.successor.kid
    )


@pytest.mark.parametrize(
    ("tampering", "broken", "problem"),
    [
        ("DELETE FROM auth.audit_events WHERE sequence = 6", 6, "entries from 6 to 6 were cut off"),
        ("DELETE FROM auth.audit_events", 1, "entries from 1 to 3 were cut off"),
        ("UPDATE auth.audit_heads SET at = now() WHERE sequence = 3", 3, "a signature that is not"),
        (
            "UPDATE auth.audit_heads SET signature = '\\x00' WHERE sequence = 6",
            6,
            "a signature that is not",
        ),
        ("UPDATE auth.audit_heads SET kid = 'mine' WHERE sequence = 6", 6, "a key that is not ours"),
    ],
)
async def test_tampering_as_the_owner(
    service: Service, owner: Owner, tampering: str, broken: int, problem: str
) -> None:
    """Cut off at the end, or a head that was touched."""
    await _signed(service)
    await owner.execute(tampering)

    report = await service.use_cases.audit.verify_audit_events()

    assert (report.intact, report.first_broken) == (False, broken)
    assert problem in (report.problem or "")


async def test_a_rewritten_tail(service: Service, owner: Owner, environment: Environment) -> None:
    """Every hash follows, but the head that was signed does not; edge and command line say where."""
    await _signed(service)
    await _rewrite(owner, 5)

    report = await service.use_cases.audit.verify_audit_events()
    status, said = await ran(environment, "audit", "verify")

    problem = "entries from 4 to 6 were rewritten: the head signed there differs"
    assert (report.first_broken, report.problem) == (4, problem)
    assert (status, said.strip()) == (1, f"broken at sequence 4, of 6 events: {problem}")


async def test_a_key_of_ones_own_signs_nothing(
    service: Service, owner: Owner, pool: Pool, environment: Environment
) -> None:
    """The database's owner can add a key, but not one that the master key attests."""
    await _signed(service)
    await _rewrite(owner, 5)
    mallory, clock = MasterKey(b"e" * 32), FakeClock(datetime.now(UTC))
    key = mallory.generate(clock.now())
    await owner.execute(
        "INSERT INTO auth.retired_signing_keys VALUES ($1, $2, $3, $4, now(), now(), now())",
        key.kid,
        key.x,
        key.y,
        mallory.attest(key),
    )
    units = PostgresUnitsOfWork(pool)
    ring = KeyRing(units, mallory, clock)
    ring._keys, ring._private = [key], {key.kid: mallory.opened(key)}
    forged = await owner.fetchval("SELECT hash FROM auth.audit_events WHERE sequence = 6")
    head = EcdsaHeadSigner(ring).sign(6, forged, clock.now())
    await owner.execute(
        "UPDATE auth.audit_heads SET hash = $1, at = $2, kid = $3, signature = $4 WHERE sequence = 6",
        head.hash,
        head.at,
        head.kid,
        head.signature,
    )

    report = await service.use_cases.audit.verify_audit_events()
    unaware = {name: value for name, value in environment.items() if name != "AUTH_MASTER_KEY"}
    status, said = await ran(unaware, "audit", "verify")

    assert report.problem == "the head signed at entry 6 is signed by a key that is not ours"
    assert status == 0
    assert "the signing keys were not verified: set AUTH_MASTER_KEY" in said


async def test_the_runtime_role_can_only_add_heads(service: Service, pool: Pool) -> None:
    """Neither change one nor remove one."""
    await _signed(service)

    for statement in (
        "UPDATE auth.audit_heads SET hash = ''",
        "DELETE FROM auth.audit_heads",
        "TRUNCATE auth.audit_heads",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
