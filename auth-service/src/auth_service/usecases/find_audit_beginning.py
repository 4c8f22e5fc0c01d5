"""Finding where the audit chain begins: at its first entry, or where older ones have served their time."""

from dataclasses import dataclass

from chassis.clock import Clock

from auth_service.domain.audit import BEGINNING, Anchor
from auth_service.domain.audit_retention import AuditRetention
from auth_service.domain.ports import HeadJudge
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class FindAuditBeginning:
    """Believes that entries were pruned, not taken away, by a good head that is as old as the retention."""

    database: Database
    judge: HeadJudge
    retention: AuditRetention
    clock: Clock

    async def __call__(self) -> Anchor:
        """Returns the entry after which the chain begins; that of all if no head vouches for another."""
        async with self.database.statements() as stores:
            first = next(iter(await stores.audit.after(0, 1)), None)
            if first is None or first.sequence == 1:
                return BEGINNING
            # Pruning removes the heads before the one that it stopped at.
            head = next(iter(await stores.audit_heads.after(0, 1)), None)
        if head is None or head.sequence >= first.sequence:
            return BEGINNING
        (fault,) = await self.judge.judge([head])
        if fault is not None or not self.retention.over(head, self.clock.now()):
            return BEGINNING
        return Anchor(sequence=head.sequence, hash=head.hash)
