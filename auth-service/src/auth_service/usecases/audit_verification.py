"""Verifying the audit chain from its beginning to its end."""

from collections.abc import Sequence

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import ServiceError

from auth_service.domain.audit import BEGINNING, Anchor, ChainedEntry
from auth_service.domain.audit_head import ChainReport, ChainWalk, HeadVerifier, SignedHead
from auth_service.domain.audit_witness import NOT_CONFIGURED, UNREACHABLE, AuditWitness, WitnessedHead
from auth_service.domain.retention import AuditRetention
from auth_service.domain.unit_of_work import UnitsOfWork

BATCH = 500


class FindAuditBeginning(Component):
    """Finds where the chain begins: entries were pruned, not removed, if a valid head is old enough."""

    units: UnitsOfWork
    verifier: HeadVerifier
    retention: AuditRetention
    clock: Clock

    async def __call__(self) -> Anchor:
        """Returns the entry after which the chain begins; `BEGINNING` unless a head proves another."""
        async with self.units.statements() as unit:
            first = next(iter(await unit.audit.after(0, 1)), None)
            if first is None or first.sequence == 1:
                return BEGINNING
            # Pruning removes the heads before the one that it stopped at.
            head = next(iter(await unit.audit_heads.after(0, 1)), None)
        if head is None or head.sequence >= first.sequence:
            return BEGINNING
        (fault,) = await self.verifier.verify([head])
        if fault is not None or not self.retention.over(head, self.clock.now()):
            return BEGINNING
        return Anchor(sequence=head.sequence, hash=head.hash)


class VerifyAuditEvents(Component):
    """Computes every hash again, and compares the chain with our signed heads and the witness'."""

    units: UnitsOfWork
    verifier: HeadVerifier
    find_beginning: FindAuditBeginning
    witness: AuditWitness | None = None

    async def __call__(self) -> ChainReport:
        """Returns the report, with the first wrong entry."""
        after, witness = await self.find_beginning(), _Witness(self.witness)
        walk = ChainWalk(after.sequence, after.hash, await witness.newest())
        _hold_beginning(walk, after, await witness.after(after.sequence - 1, 1))
        while True:
            # No connection is held while a batch is hashed. Heads are read before their entries, so a
            # head beyond the last entry proves that an entry is gone.
            witnessed = await witness.after(walk.sequence, BATCH)
            async with self.units.statements() as unit:
                heads = await unit.audit_heads.after(walk.sequence, BATCH)
                batch = await unit.audit.after(walk.sequence, BATCH)
            beyond = await self._walk(walk, batch, heads, witnessed)
            if len(batch) < BATCH:
                walk.end(beyond)
                walk.end_witnessed()
                return ChainReport.of(walk, after, witness.unwitnessed)

    async def _walk(
        self,
        walk: ChainWalk,
        batch: Sequence[ChainedEntry],
        heads: Sequence[SignedHead],
        witnessed: Sequence[WitnessedHead],
    ) -> SignedHead | None:
        """Walks a batch; returns the first head beyond it."""
        reached = [head for head in heads if batch and head.sequence <= batch[-1].sequence]
        faults = dict(zip(reached, await self.verifier.verify(reached), strict=True)) if reached else {}
        signed, seen = list(reversed(reached)), list(reversed(witnessed))
        for chained in batch:
            walk.step(chained)
            while signed and signed[-1].sequence <= chained.sequence:
                head = signed.pop()
                walk.meet(head, faults[head])
            while seen and seen[-1].sequence <= chained.sequence:
                walk.meet_witnessed(seen.pop())
        return next(iter(heads[len(reached) :]), None)


class _Witness:
    """The witness during one walk: once it is unreachable, it is not asked again.

    Attributes:
        unwitnessed: Why the chain is not compared with it; None while it is.
    """

    def __init__(self, witness: AuditWitness | None) -> None:
        self._witness = witness
        self.unwitnessed = NOT_CONFIGURED if witness is None else None

    async def newest(self) -> WitnessedHead | None:
        """Returns its newest head; None if it has none or is unreachable."""
        if self._witness is None:
            return None
        try:
            return await self._witness.newest()
        except ServiceError:
            self._give_up()
            return None

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns its heads after a place; none if it is unreachable."""
        if self._witness is None or sequence < 0:
            return ()
        try:
            return await self._witness.after(sequence, limit)
        except ServiceError:
            self._give_up()
            return ()

    def _give_up(self) -> None:
        self._witness, self.unwitnessed = None, UNREACHABLE


def _hold_beginning(walk: ChainWalk, after: Anchor, witnessed: Sequence[WitnessedHead]) -> None:
    """Compares the head at which the chain begins: with the master key it could be forged."""
    for head in witnessed:
        if after != BEGINNING and head.sequence == after.sequence:
            walk.meet_witnessed(head)
