"""Signing the head of the audit chain, and what a signed head gives away."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from auth_service.domain.audit import AuditEntry, ChainedEntry, chain_hash
from auth_service.domain.audit_head import SignedHead, statement
from auth_service.domain.errors import ChainBroken
from auth_service.usecases.audit_heads import SignAuditHead
from chassis.ids import uuid7

from tests.auth_service.clocked_postgres import AuditLog
from tests.auth_service.local_service import LocalService
from tests.fakes.auth_service.secrets import FakeHeadSigner

MINUTE = timedelta(minutes=1)


def _job(service: LocalService) -> SignAuditHead:
    return SignAuditHead(service.units, FakeHeadSigner(), FakeHeadSigner(), service.clock, MINUTE)


async def _fill(service: LocalService, count: int) -> None:
    async with service.units.statements() as unit:
        for number in range(count):
            entry = AuditEntry(
                occurred_at=service.clock.now(), action="a", outcome="success", details={"n": str(number)}
            )
            await unit.audit.append(entry)


async def _signed(service: LocalService) -> SignAuditHead:
    """Ten entries, with heads signed at 4, 8 and 10."""
    sign = _job(service)
    for count in (4, 4, 2):
        service.clock.advance(MINUTE)
        await _fill(service, count)
        assert await sign() is not None
    return sign


def _rewrite(chain: list[ChainedEntry], first: int) -> None:
    """Alters an entry, and computes every hash after it as if it had always been so."""
    entry = chain[first - 1].entry
    chain[first - 1] = replace(chain[first - 1], entry=replace(entry, outcome="failed", id=uuid7()))
    previous = chain[first - 2].hash if first > 1 else bytes(32)
    for place in range(first - 1, len(chain)):
        previous = chain_hash(previous, place + 1, chain[place].entry)
        chain[place] = replace(chain[place], hash=previous)


async def test_a_head_is_signed_when_it_has_moved(service: LocalService) -> None:
    """Once a minute at the most, whichever instance does it; never without an entry."""
    sign, other = _job(service), _job(service)
    assert await sign() is None
    await _fill(service, 3)
    head = await sign()
    assert head is not None
    assert (head.sequence, head.hash) == (3, (await service.database.entries())[2].hash)
    service.clock.advance(MINUTE)
    assert (await sign(), await other()) == (None, None)

    await _fill(service, 1)
    assert await other() is not None
    await _fill(service, 1)
    assert await sign() is None
    service.clock.advance(MINUTE)
    assert await sign() is not None
    assert [head.sequence for head in await service.database.rows("audit_heads")] == [3, 4, 5]


async def test_a_signed_chain_is_intact(service: LocalService) -> None:
    """With entries that wait for their head."""
    await _signed(service)
    await _fill(service, 1)

    report = await service.audit.verify_audit_events()

    assert (report.intact, report.events, report.heads, report.signed_until) == (True, 11, 3, 10)
    assert report.problem is None


async def test_heads_and_entries_in_more_than_one_batch(service: LocalService) -> None:
    """A walk of many batches meets every head."""
    sign = _job(service)
    for count in (499, 1, 1, 501):
        service.clock.advance(MINUTE)
        await _fill(service, count)
        await sign()

    report = await service.audit.verify_audit_events()

    assert (report.intact, report.events, report.heads, report.signed_until) == (True, 1002, 4, 1002)


def _alter(log: AuditLog) -> None:
    log.entries[5] = replace(log.entries[5], entry=replace(log.entries[5].entry, outcome="failed"))


def _remove(log: AuditLog) -> None:
    del log.entries[5]


def _put_in_between(log: AuditLog) -> None:
    chain = log.entries
    for place in range(5, 10):
        chain[place] = replace(chain[place], sequence=place + 2)
    chain.insert(5, ChainedEntry(sequence=6, hash=b"", entry=replace(chain[5].entry, id=uuid7())))
    _rewrite(chain, 6)


def _rewrite_tail(log: AuditLog) -> None:
    _rewrite(log.entries, 6)


def _rewrite_everything(log: AuditLog) -> None:
    _rewrite(log.entries, 1)


def _cut_off(log: AuditLog) -> None:
    del log.entries[8:]


def _cut_everything_off(log: AuditLog) -> None:
    log.entries.clear()


def _rewrite_and_sign_with_another_key(log: AuditLog) -> None:
    _rewrite_tail(log)
    eve = FakeHeadSigner("eve")
    for place in (8, 10):
        log.heads[place] = eve.sign(place, log.entries[place - 1].hash, log.heads[place].at)


def _rewrite_and_forge(log: AuditLog) -> None:
    _rewrite_tail(log)
    for place in (8, 10):
        log.heads[place] = replace(log.heads[place], hash=log.entries[place - 1].hash)


TAMPERINGS: list[tuple[Callable[[AuditLog], None], int, str]] = [
    (_alter, 6, "entry 6 was altered"),
    (_remove, 6, "entry 6 was removed"),
    (_put_in_between, 5, "entries from 5 to 8 were rewritten"),
    (_rewrite_tail, 5, "entries from 5 to 8 were rewritten"),
    (_rewrite_everything, 1, "entries from 1 to 4 were rewritten"),
    (_cut_off, 9, "entries from 9 to 10 were cut off"),
    (_cut_everything_off, 1, "entries from 1 to 4 were cut off"),
    (_rewrite_and_sign_with_another_key, 8, "the head signed at entry 8 is signed by a key that is not ours"),
    (_rewrite_and_forge, 8, "the head signed at entry 8 has a signature that is not its key's"),
]


@pytest.mark.parametrize(("tamper", "broken", "problem"), TAMPERINGS)
async def test_a_rewritten_chain_is_detected(
    service: LocalService, tamper: Callable[[AuditLog], None], broken: int, problem: str
) -> None:
    """Even with every hash computed again, the first wrong entry or head is named."""
    await _signed(service)
    async with service.database.audit_log() as log:
        tamper(log)

    report = await service.audit.verify_audit_events()

    assert (report.intact, report.first_broken) == (False, broken)
    assert report.problem is not None
    assert report.problem.startswith(problem)


@pytest.mark.parametrize("tamper", [_rewrite_tail, _cut_off, _cut_everything_off, _rewrite_and_forge])
async def test_what_was_tampered_with_is_not_signed(
    service: LocalService, tamper: Callable[[AuditLog], None]
) -> None:
    """Neither by the instance that signed before nor by one that starts: a forged tail gets no head."""
    await _signed(service)
    async with service.database.audit_log() as log:
        tamper(log)
    await _fill(service, 1)
    service.clock.advance(MINUTE)

    with pytest.raises(ChainBroken):
        await _job(service)()


async def test_heads_cannot_vanish_unnoticed(service: LocalService) -> None:
    """Removing the heads as well is detected by the instance that signed them."""
    sign = await _signed(service)
    service.clock.advance(MINUTE)
    await sign()
    async with service.database.audit_log() as log:
        _rewrite_tail(log)
        for place in (8, 10):
            del log.heads[place]

    with pytest.raises(ChainBroken) as caught:
        await sign()

    assert caught.value.details["problem"] == "the head signed at entry 10 was removed"


def test_what_is_signed_is_frozen() -> None:
    """A head signed today must verify in six years: the statement is part of the data."""
    head = SignedHead(sequence=7, hash=b"\xab" * 32, at=datetime(2026, 11, 23, 10, tzinfo=UTC), kid="k")

    assert statement(head) == (
        b"vestibule audit head 1\n"
        b'{"at":"2026-11-23T10:00:00.000000Z","hash":"' + b"ab" * 32 + b'","kid":"k","sequence":7}'
    )
