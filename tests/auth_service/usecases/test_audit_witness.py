"""The audit chain against its witness: what the owner of the chain cannot undo."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from auth_service.domain.audit import AuditEntry, chain_hash
from auth_service.domain.audit_head import SignedHead
from auth_service.domain.audit_witness import NOT_CONFIGURED, UNREACHABLE
from auth_service.domain.errors import ChainBroken
from auth_service.domain.retention import FOR_EVER
from auth_service.usecases.audit_heads import ListAuditHeads, SignAuditHead
from auth_service.usecases.audit_verification import FindAuditBeginning, VerifyAuditEvents
from chassis.ids import uuid7

from tests.auth_service.clocked_postgres import AuditLog
from tests.auth_service.local_service import LocalService
from tests.fakes.auth_service.outside import FakeAuditWitness
from tests.fakes.auth_service.secrets import FakeHeadSigner

MINUTE = timedelta(minutes=1)


@pytest.fixture(name="witness")
def _witness() -> FakeAuditWitness:
    return FakeAuditWitness()


def _signing(service: LocalService, witness: FakeAuditWitness | None) -> SignAuditHead:
    signer = FakeHeadSigner()
    return SignAuditHead(service.units, signer, signer, service.clock, MINUTE, witness)


def _verify(service: LocalService, witness: FakeAuditWitness | None) -> VerifyAuditEvents:
    verifier = FakeHeadSigner()
    beginning = FindAuditBeginning(service.units, verifier, FOR_EVER, service.clock)
    return VerifyAuditEvents(service.units, verifier, beginning, witness)


async def _append(service: LocalService, count: int) -> None:
    async with service.units.statements() as unit:
        for _ in range(count):
            await unit.audit.append(
                AuditEntry(occurred_at=service.clock.now(), action="a", outcome="success")
            )


async def _witnessed(service: LocalService, witness: FakeAuditWitness) -> None:
    """Ten entries, with heads signed and witnessed at 4, 8 and 10."""
    sign = _signing(service, witness)
    for count in (4, 4, 2):
        service.clock.advance(MINUTE)
        await _append(service, count)
        head = await sign()
        assert head is not None
        witness.see(head)
    service.clock.advance(MINUTE)


def _cut_off(log: AuditLog, last: int) -> None:
    """Removes the end of the chain, and every head that was signed for it."""
    log.entries[:] = [row for row in log.entries if row.sequence <= last]
    for place in [place for place in log.heads if place > last]:
        del log.heads[place]


def _rewrite(log: AuditLog, first: int) -> None:
    """Alters an entry and computes every hash after it again."""
    chain = log.entries
    entry = replace(chain[first - 1].entry, outcome="failed", id=uuid7())
    chain[first - 1] = replace(chain[first - 1], entry=entry)
    previous = chain[first - 2].hash if first > 1 else bytes(32)
    for place in range(first - 1, len(chain)):
        previous = chain_hash(previous, place + 1, chain[place].entry)
        chain[place] = replace(chain[place], hash=previous)


def _rewrite_and_sign(log: AuditLog, first: int) -> None:
    """The same with the master key: every head is signed again."""
    _rewrite(log, first)
    signer = FakeHeadSigner()
    for place, head in list(log.heads.items()):
        log.heads[place] = signer.sign(place, log.entries[place - 1].hash, head.at)


async def test_an_intact_chain(service: LocalService, witness: FakeAuditWitness) -> None:
    """It agrees with every head; entries that wait for one do not matter."""
    await _witnessed(service, witness)
    await _append(service, 3)

    report = await _verify(service, witness)()

    assert (report.intact, report.events, report.witnessed) == (True, 13, 10)
    assert (report.problem, report.unwitnessed) == (None, None)


async def test_before_the_first_head(service: LocalService, witness: FakeAuditWitness) -> None:
    """Nothing is witnessed yet, and nothing is missing."""
    await _append(service, 2)

    report = await _verify(service, witness)()

    assert (report.intact, report.witnessed, report.unwitnessed) == (True, 0, None)


@pytest.mark.parametrize("last", [9, 8, 7, 4, 1, 0])
async def test_cut_off_behind_its_end(service: LocalService, witness: FakeAuditWitness, last: int) -> None:
    """With all heads of what is gone: the first entry that is missing is named."""
    await _witnessed(service, witness)
    async with service.database.audit_log() as log:
        _cut_off(log, last)

    assert (await _verify(service, None)()).intact, "nothing in our own schema reveals it"
    report = await _verify(service, witness)()

    assert (report.intact, report.first_broken, report.witnessed) == (False, last + 1, 10)
    assert f"entries from {last + 1} to 10 were cut off" in str(report.problem)


@pytest.mark.parametrize("grown", [1, 5, 20])
async def test_cut_off_and_grown_again(service: LocalService, witness: FakeAuditWitness, grown: int) -> None:
    """What was written in the place of the missing entries does not hide them, below the head or beyond."""
    await _witnessed(service, witness)
    async with service.database.audit_log() as log:
        _cut_off(log, 6)
    await _append(service, grown)

    assert (await _verify(service, None)()).intact
    report = await _verify(service, witness)()

    assert (report.intact, report.first_broken, report.witnessed) == (False, 7, 10)


@pytest.mark.parametrize(
    ("tamper", "first"),
    [(_rewrite, 6), (_rewrite_and_sign, 6), (_rewrite_and_sign, 1), (_rewrite_and_sign, 10)],
)
async def test_rewritten(
    service: LocalService, witness: FakeAuditWitness, tamper: Callable[[AuditLog, int], None], first: int
) -> None:
    """With the heads signed again too, with the master key."""
    await _witnessed(service, witness)
    async with service.database.audit_log() as log:
        tamper(log, first)

    report = await _verify(service, witness)()

    assert not report.intact
    assert report.first_broken is not None
    assert report.first_broken <= first
    assert report.witnessed == 10


async def test_only_the_heads_were_removed(service: LocalService, witness: FakeAuditWitness) -> None:
    """The entries are all there, and the witness vouches for them."""
    await _witnessed(service, witness)
    async with service.database.audit_log() as log:
        log.heads.clear()

    report = await _verify(service, witness)()

    assert (report.intact, report.heads, report.witnessed) == (True, 0, 10)


async def test_a_witness_that_is_away(service: LocalService, witness: FakeAuditWitness) -> None:
    """The chain is not called intact, and nothing is said to be broken."""
    await _witnessed(service, witness)
    witness.away = True

    report = await _verify(service, witness)()

    assert (report.intact, report.witnessed, report.unwitnessed) == (False, None, UNREACHABLE)
    assert (report.first_broken, report.problem) == (None, None)


async def test_no_witness_is_said(service: LocalService) -> None:
    """Without one the chain stands for itself, and the report says so."""
    await _append(service, 1)

    report = await _verify(service, None)()

    assert (report.intact, report.witnessed, report.unwitnessed) == (True, None, NOT_CONFIGURED)


@pytest.mark.parametrize("grown", [0, 1, 20])
async def test_a_new_process_does_not_go_on(
    service: LocalService, witness: FakeAuditWitness, grown: int
) -> None:
    """Restarted, it signs nothing of a chain that its witness contradicts, and puts that on the record."""
    await _witnessed(service, witness)
    async with service.database.audit_log() as log:
        _cut_off(log, 4)
    await _append(service, grown)
    restarted = _signing(service, witness)

    for _ in range(2):
        with pytest.raises(ChainBroken) as broken:
            await restarted()
    assert "entry 10" in str(broken.value.details["problem"])
    noted = await service.database.audited("auth.audit_chain_broken")
    assert [(entry.outcome, "entry 10" in entry.details["problem"]) for entry in noted] == [("failed", True)]


async def test_signing_goes_on_without_the_witness(service: LocalService, witness: FakeAuditWitness) -> None:
    """A witness that is away stops neither entries nor heads."""
    await _witnessed(service, witness)
    witness.away = True
    await _append(service, 1)

    assert await _signing(service, witness)() is not None


async def test_the_witness_is_not_asked_twice_about_the_same_head(
    service: LocalService, witness: FakeAuditWitness
) -> None:
    """But before anything more is signed: another instance's entries may have been cut off since."""
    await _witnessed(service, witness)
    sign = _signing(service, witness)
    for _ in range(3):
        assert await sign() is None
    asked = witness.asked
    witness.see(FakeHeadSigner().sign(12, bytes(32), service.clock.now()))
    await _append(service, 1)

    with pytest.raises(ChainBroken) as raised:
        await sign()

    assert asked == 4  # Three times while ten entries were signed.
    assert "cut off" in str(raised.value.details["problem"])


async def test_the_witness_gets_only_our_heads(service: LocalService, witness: FakeAuditWitness) -> None:
    """A forged one in our schema is not handed on, nor are those after it."""
    await _witnessed(service, witness)
    forged: SignedHead = FakeHeadSigner("eve").sign(9, bytes(32), service.clock.now())
    async with service.database.audit_log() as log:
        log.heads[9] = forged

    found = await ListAuditHeads(service.units, FakeHeadSigner())(from_sequence=4)

    assert [head.sequence for head in found.heads] == [4, 8]
    assert found.problem is None


async def test_the_witness_hears_what_we_find(service: LocalService, witness: FakeAuditWitness) -> None:
    """Entries cut off before their head are ours to find."""
    await _witnessed(service, witness)
    async with service.database.audit_log() as log:
        del log.entries[7:]

    found = await ListAuditHeads(service.units, FakeHeadSigner())(from_sequence=10)

    assert "cut off" in str(found.problem)
