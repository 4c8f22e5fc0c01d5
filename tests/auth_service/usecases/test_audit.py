"""Listing and verifying the audit chain."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from auth_service.domain.audit import AuditEntry, AuditFilter, ChainedEntry, chain_hash
from auth_service.usecases.audit import RecordAudit
from chassis.identity.audit_client import AuditClient
from chassis.ids import uuid7

from tests.auth_service.local_service import LocalService

EVERYTHING = AuditFilter()


async def _fill(service: LocalService, count: int) -> list[AuditEntry]:
    actor = uuid7()
    entries = []
    for number in range(count):
        service.clock.advance(timedelta(seconds=1))
        entry = AuditEntry(
            occurred_at=service.clock.now(),
            action="users.update" if number % 2 else "users.read",
            outcome="success",
            actor_id=actor if number % 2 else None,
            details={"number": str(number)},
        )
        await service.record_audit(entry=entry)
        entries.append(entry)
    return entries


async def test_entries_are_listed_the_newest_first(service: LocalService) -> None:
    """From an offset or below an entry, which those that come meanwhile do not move."""
    entries = await _fill(service, 4)
    listed = service.audit.list_audit_events
    newest, total = await listed(wanted=EVERYTHING, below=None, offset=0, limit=2)
    oldest, _ = await listed(wanted=EVERYTHING, below=None, offset=2, limit=9)
    await _fill(service, 3)

    below, _ = await listed(wanted=EVERYTHING, below=newest[-1].sequence, offset=0, limit=9)

    assert total == 4
    assert [each.entry for each in (*newest, *oldest)] == entries[::-1]
    assert below == oldest


async def test_filters_narrow(service: LocalService) -> None:
    """By user, by action, by time."""
    entries = await _fill(service, 6)
    wanted = AuditFilter(
        actor_id=entries[1].actor_id,
        action="users.update",
        since=entries[1].occurred_at,
        until=entries[5].occurred_at,
    )

    found, _ = await service.audit.list_audit_events(wanted=wanted, below=None, offset=0, limit=20)

    assert [each.entry for each in found] == [entries[3], entries[1]]


async def test_an_event_delivered_twice_is_one_entry(service: LocalService) -> None:
    """Its id names it."""
    (entry,) = await _fill(service, 1)
    await service.record_audit(entry=entry)

    assert len(await service.database.entries()) == 1


async def test_an_untouched_chain_is_intact(service: LocalService) -> None:
    """From nothing to its head."""
    assert (await service.audit.verify_audit_events()).head is None
    await _fill(service, 5)

    report = await service.audit.verify_audit_events()

    assert (report.intact, report.events) == (True, 5)
    assert report.head == (await service.database.entries())[-1].hash


def _alter(chain: list[ChainedEntry]) -> None:
    chain[2] = replace(chain[2], entry=replace(chain[2].entry, outcome="failed"))


def _alter_with_hash(chain: list[ChainedEntry]) -> None:
    entry = replace(chain[2].entry, details={"number": "forged"})
    chain[2] = ChainedEntry(sequence=3, hash=chain_hash(chain[1].hash, 3, entry), entry=entry)


def _remove(chain: list[ChainedEntry]) -> None:
    del chain[2]


def _remove_first(chain: list[ChainedEntry]) -> None:
    del chain[0]


def _put_in_between(chain: list[ChainedEntry]) -> None:
    for place in range(2, 5):
        chain[place] = replace(chain[place], sequence=chain[place].sequence + 1)
    entry = replace(chain[1].entry, id=uuid7())
    chain.insert(2, ChainedEntry(sequence=3, hash=chain_hash(chain[1].hash, 3, entry), entry=entry))


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [(_alter, 3), (_alter_with_hash, 4), (_remove, 3), (_remove_first, 1), (_put_in_between, 4)],
)
async def test_the_first_entry_that_does_not_follow_is_named(
    service: LocalService, tamper: object, broken: int
) -> None:
    """Whatever was altered, removed or put in between."""
    await _fill(service, 5)
    assert callable(tamper)
    async with service.database.audit_log() as log:
        tamper(log.entries)

    report = await service.audit.verify_audit_events()

    assert (report.intact, report.first_broken) == (False, broken)
    assert report.problem is not None
    assert str(broken) in report.problem


class _Keeper:
    """A service that keeps the client of every entry."""

    async def audit_client(self, event_id: UUID) -> AuditClient | None:
        return AuditClient(ip="192.0.2.9", user_agent="kept", request_id="mine")


async def test_a_client_comes_from_the_service_that_keeps_it(service: LocalService) -> None:
    """That of a service that is off is left out."""
    record = RecordAudit(service.ports.units, {"knowledge-service": _Keeper()})
    for kept_by in ("knowledge-service", "voice-service", ""):
        entry = AuditEntry(occurred_at=service.clock.now(), action="knowledge.read", outcome="success")
        await record(entry=entry, kept_by=kept_by)

    found, _ = await service.audit.list_audit_events(wanted=EVERYTHING, below=None, offset=0, limit=3)
    assert [each.entry.ip for each in found] == ["", "", "192.0.2.9"]
