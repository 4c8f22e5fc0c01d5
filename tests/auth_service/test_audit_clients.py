"""Whom entries came from, beside the chain: entries of both forms, exports, and who may touch what."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.audit import AuditEntry, AuditFilter, canonical_form
from chassis.postgres.pool import Pool
from devstack.database import Database as DevelopmentDatabase

from tests.auth_service.command_line import Environment, ran
from tests.auth_service.local_service import HERE
from tests.auth_service.service import Service

_OLD = "SELECT auth.append_audit_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"


async def _append_as_before(pool: Pool, address: str) -> None:
    """What the release before this one does, which stands beside it during an upgrade."""
    entry = AuditEntry(
        occurred_at=datetime.now(UTC), action="auth.login", outcome="refused", ip=address, user_agent="old"
    )
    await pool.execute(
        _OLD,
        *(entry.id, entry.occurred_at, None, None, entry.action, entry.outcome),
        *(entry.ip, entry.user_agent, "", dict(entry.details), canonical_form(entry)),
    )


async def test_both_forms_are_one_chain(service: Service, pool: Pool) -> None:
    """While old and new processes write side by side; each shows what it knows."""
    await service.register()
    await _append_as_before(pool, "198.51.100.7")
    await service.login()
    await service.sign_audit_head()
    await _append_as_before(pool, "198.51.100.8")

    report = await service.use_cases.audit.verify_audit_events()
    async with PostgresUnitsOfWork(pool).statements() as unit:
        chain = await unit.audit.after(0, 20)

    assert (report.intact, report.events) == (True, len(chain))
    shown = [chained.entry.ip for chained in chain]
    assert shown.count(HERE) == len(chain) - 2
    assert {"198.51.100.7", "198.51.100.8"} <= set(shown)
    # No column that the chain covers has a client of this release's.
    raw = await pool.fetch("SELECT ip, user_agent FROM auth.audit_events WHERE user_agent <> 'old'")
    assert {tuple(row) for row in raw} == {("", "")}


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE auth.audit_clients SET ip = '192.0.2.66'",
        "UPDATE auth.audit_clients SET ip = ''",
        "UPDATE auth.audit_clients SET salt = ''",
        "UPDATE auth.audit_events SET ip = '192.0.2.66'",
        "UPDATE auth.audit_events SET request_id = 'another'",
        "UPDATE auth.audit_events SET details = details - 'client_sha256'",
    ],
)
async def test_the_owner_alters_a_client(
    service: Service, emptied_database: DevelopmentDatabase, tampering: str
) -> None:
    """It is found, as everything else is."""
    await service.register()
    owner = await asyncpg.connect(emptied_database.url("auth_owner"))
    try:
        await owner.execute(tampering)
    finally:
        await owner.close()

    report = await service.use_cases.audit.verify_audit_events()

    assert (report.intact, report.first_broken) == (False, 1)


async def test_erased_with_the_account(service: Service, pool: Pool) -> None:
    """By whatever way a credential goes; the chain is whole, and an admin is shown nothing of the client."""
    user_id = await service.register()
    await service.login()
    assert await service.count("audit_clients") > 0
    await pool.execute("DELETE FROM auth.credentials WHERE user_id = $1", user_id)

    assert await service.count("audit_clients") == 0
    assert (await service.use_cases.audit.verify_audit_events()).intact
    async with PostgresUnitsOfWork(pool).statements() as unit:
        exported = await unit.exports.audit(UUID(user_id), None, 10)
    assert {(each.entry.ip, each.entry.user_agent) for each in exported} == {("", "")}


async def test_exported_files_hold_no_client(
    service: Service, environment: Environment, tmp_path: Path
) -> None:
    """A file outlives an erased user; it can be verified on its own all the same."""
    await service.register()
    await service.login()
    await service.sign_audit_head()
    file = tmp_path / "audit.jsonl"

    status, said = await ran(environment, "audit", "export", "--output", str(file))
    assert status == 0, said
    assert HERE not in file.read_text("utf-8")
    status, said = await ran({}, "audit", "verify", str(file))
    assert status == 0, said


async def test_admins_see_clients(service: Service) -> None:
    """While they are there."""
    await service.register()
    await service.login()
    entries, _ = await service.use_cases.audit.list_audit_events(
        wanted=AuditFilter(),
        below=None,
        offset=0,
        limit=20,
    )

    assert {each.entry.ip for each in entries} == {HERE}
