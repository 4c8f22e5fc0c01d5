"""Walking the audit chain."""

from collections.abc import Sequence
from dataclasses import dataclass

from auth_service.domain.audit import ChainedEntry
from auth_service.domain.audit_head import ChainReport, ChainWalk, SignedHead
from auth_service.domain.ports import HeadJudge
from auth_service.domain.stores import Database
from auth_service.usecases.find_audit_beginning import FindAuditBeginning

BATCH = 500


@dataclass(frozen=True, slots=True)
class VerifyAuditEvents:
    """Computes every hash again, from the first entry to the head, and checks every signed head."""

    database: Database
    judge: HeadJudge
    find_beginning: FindAuditBeginning

    async def __call__(self) -> ChainReport:
        """Returns what was found; names the first entry that is not what it was."""
        after = await self.find_beginning()
        walk = ChainWalk(after.sequence, after.hash)
        while True:
            # No connection is held while a batch is hashed. Heads are read before the entries that
            # they were signed for, so one beyond the last entry is of an entry that is gone.
            async with self.database.statements() as stores:
                heads = await stores.audit_heads.after(walk.sequence, BATCH)
                batch = await stores.audit.after(walk.sequence, BATCH)
            beyond = await self._walk(walk, batch, heads)
            if len(batch) < BATCH:
                walk.end(beyond)
                return ChainReport.of(walk, after)

    async def _walk(
        self, walk: ChainWalk, batch: Sequence[ChainedEntry], heads: Sequence[SignedHead]
    ) -> SignedHead | None:
        """Walks a batch; returns the first head beyond it."""
        reached = [head for head in heads if batch and head.sequence <= batch[-1].sequence]
        faults = dict(zip(reached, await self.judge.judge(reached), strict=True)) if reached else {}
        waiting = iter(reached)
        head = next(waiting, None)
        for chained in batch:
            walk.step(chained)
            while head is not None and head.sequence <= chained.sequence:
                walk.meet(head, faults[head])
                head = next(waiting, None)
        return next(iter(heads[len(reached) :]), None)
