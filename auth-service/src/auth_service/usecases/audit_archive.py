"""Exporting the audit chain, and pruning entries whose retention time is over."""

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import takewhile

from chassis.clock import Clock
from chassis.component import Component
from chassis.identity.caller import Caller

from auth_service.domain.audit import Anchor, audited
from auth_service.domain.audit_export import ExportedKey, entry_line, first_line, head_line, key_line
from auth_service.domain.audit_head import ChainWalk, HeadVerifier, SignedHead
from auth_service.domain.errors import ChainBroken
from auth_service.domain.retention import AuditRetention
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.usecases.audit_verification import VerifyAuditEvents

HEADS_AT_ONCE = 500

BATCH = 500


class ExportAudit(Component):
    """Exports the chain after an entry, until the last head that was signed before a time."""

    units: UnitsOfWork
    verifier: HeadVerifier

    async def head(self, after: Anchor, until: datetime) -> SignedHead | None:
        """Returns the head at which the export ends; None if there is nothing to export."""
        async with self.units.statements() as unit:
            found = await unit.audit_heads.newest(signed_before=until)
        return None if found is None or found.sequence <= after.sequence else found

    async def lines(self, after: Anchor, head: SignedHead) -> AsyncIterator[str]:
        """Yields the lines of the file, and verifies the entries.

        Raises:
            ChainBroken: the chain does not follow from what was exported before, or is not what was signed.
        """
        walk = ChainWalk(after.sequence, after.hash)
        yield first_line(after)
        while walk.sequence < head.sequence:
            async with self.units.statements() as unit:
                batch = await unit.audit.after(walk.sequence, BATCH)
            for chained in batch:
                if walk.sequence < head.sequence:
                    walk.step(chained)
                    yield entry_line(chained)
            if not batch:
                walk.end(head)
            _require(walk)
        (fault,) = await self.verifier.verify([head])
        walk.meet(head, fault)
        _require(walk)
        yield key_line(await self._key(head.kid))
        yield head_line(head)

    async def _key(self, kid: str) -> ExportedKey:
        async with self.units.statements() as unit:
            live, over = await unit.signing_keys.all(), await unit.signing_keys.retired()
        return next(
            ExportedKey(kid=key.kid, x=key.x, y=key.y)
            for keys in (live, over)
            for key in keys
            if key.kid == kid
        )


def _require(walk: ChainWalk) -> None:
    if walk.problem is not None:
        raise ChainBroken(details={"problem": walk.problem})


class PruneAudit(Component):
    """Removes the oldest entries, each time up to a signed head, which stays.

    Needs a role that may delete entries; the serving process has another. The newest head and what follows
    it stay, however old: the chain continues from there.
    """

    units: UnitsOfWork
    verify: VerifyAuditEvents
    retention: AuditRetention
    clock: Clock

    async def __call__(self) -> tuple[int, Anchor]:
        """Returns how many entries were removed, and after which one the chain begins now.

        Raises:
            ChainBroken: the chain is not what was signed; nothing is removed, since it may be evidence.
            Unavailable: Postgres is unreachable.
        """
        report = await self.verify()
        if report.problem is not None:
            raise ChainBroken(details={"problem": report.problem})
        removed, begins = 0, report.after
        while (head := await self._next(begins)) is not None:
            async with self.units.transaction() as unit:
                count = await unit.audit.prune(head.sequence)
                by, through = Caller(service="auth-service"), str(head.sequence)
                await unit.audit.append(
                    audited(by, self.clock.now(), "auth.audit_pruned", events=str(count), through=through)
                )
            removed, begins = removed + count, Anchor(sequence=head.sequence, hash=head.hash)
        return removed, begins

    async def _next(self, begins: Anchor) -> SignedHead | None:
        """Returns the head up to which to remove entries next; None if no retention time is over."""
        async with self.units.statements() as unit:
            newest = await unit.audit_heads.newest()
            heads = await unit.audit_heads.after(begins.sequence, HEADS_AT_ONCE)
        now = self.clock.now()
        over = list(takewhile(lambda head: head != newest and self.retention.over(head, now), heads))
        return over[-1] if over else None
