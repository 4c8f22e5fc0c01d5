"""Signing the head of the audit chain, so that nobody can write its tail anew unnoticed."""

from dataclasses import dataclass, field
from datetime import timedelta

from chassis.clock import Clock

from auth_service.domain.audit import GENESIS
from auth_service.domain.audit_head import ChainWalk, SignedHead
from auth_service.domain.errors import ChainBroken
from auth_service.domain.ports import HeadJudge, HeadSigner
from auth_service.domain.stores import Database

BATCH = 500


@dataclass(slots=True)
class SignAuditHead:
    """Signs the newest entry when there is one that no head covers.

    It signs only what follows from the last head, and remembers that head: whoever rewrites
    the chain and removes the heads that contradict it is noticed while one instance lives.
    """

    database: Database
    signer: HeadSigner
    judge: HeadJudge
    clock: Clock
    every: timedelta
    _last: SignedHead | None = field(default=None, init=False)

    async def __call__(self) -> SignedHead | None:
        """Returns the head that was signed; None when nothing was to be signed.

        Raises:
            ChainBroken: the chain does not follow from the last head, or that head is gone.
            Unavailable: there is no key yet, or Postgres is away.
        """
        async with self.database.statements() as stores:
            newest = await stores.audit_heads.newest()
        await self._check(newest)
        now = self.clock.now()
        if newest is not None and now - newest.at < self.every / 2:
            # Another instance has just done it.
            return None
        walk = ChainWalk(newest.sequence, newest.hash) if newest else ChainWalk(0, GENESIS)
        while True:
            async with self.database.statements() as stores:
                batch = await stores.audit.after(walk.sequence, BATCH)
            for chained in batch:
                walk.step(chained)
            if walk.problem is not None:
                raise ChainBroken(details={"problem": walk.problem})
            if len(batch) < BATCH:
                break
        if not walk.events:
            return None
        head = self.signer.sign(walk.sequence, walk.hash, now)
        async with self.database.statements() as stores:
            added = await stores.audit_heads.add(head)
        return head if added else None

    async def _check(self, newest: SignedHead | None) -> None:
        """Holds the newest head against the entry at its place, and against what is remembered."""
        last = self._last
        if last is not None and (newest is None or newest.sequence < last.sequence):
            raise ChainBroken(details={"problem": f"the head signed at entry {last.sequence} was removed"})
        if newest is None:
            return
        walk = ChainWalk(newest.sequence - 1)
        async with self.database.statements() as stores:
            there = await stores.audit.after(newest.sequence - 1, 1)
        if not there or there[0].sequence != newest.sequence:
            walk.end(newest)
        else:
            walk.sequence, walk.hash = newest.sequence, there[0].hash
            (fault,) = await self.judge.judge([newest])
            walk.meet(newest, fault)
        if walk.problem is not None:
            raise ChainBroken(details={"problem": walk.problem})
        self._last = newest
