"""Removing the entries of the audit that have served their time."""

from dataclasses import dataclass
from itertools import takewhile

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import Anchor, audited
from auth_service.domain.audit_head import SignedHead
from auth_service.domain.audit_retention import AuditRetention
from auth_service.domain.errors import ChainBroken
from auth_service.domain.stores import Database
from auth_service.usecases.verify_audit_events import VerifyAuditEvents

HEADS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PruneAudit:
    """Removes whole stretches of the chain, oldest first, each up to a signed head, which stays.

    It needs a role that may delete entries, which that of the serving process may not. The newest head
    and what follows it stay however old they are: the chain goes on from there.
    """

    database: Database
    verify: VerifyAuditEvents
    retention: AuditRetention
    clock: Clock

    async def __call__(self) -> tuple[int, Anchor]:
        """Returns how many entries were removed, and after which one the chain begins now.

        Raises:
            ChainBroken: the chain is not what was signed: nothing is removed of what may be evidence.
            Unavailable: Postgres is away.
        """
        report = await self.verify()
        if report.problem is not None:
            raise ChainBroken(details={"problem": report.problem})
        removed, begins = 0, report.after
        while (head := await self._next(begins)) is not None:
            async with self.database.transaction() as stores:
                count = await stores.audit.prune(head.sequence)
                by, through = Caller(service="auth-service"), str(head.sequence)
                await stores.audit.append(
                    audited(by, self.clock.now(), "auth.audit_pruned", events=str(count), through=through)
                )
            removed, begins = removed + count, Anchor(sequence=head.sequence, hash=head.hash)
        return removed, begins

    async def _next(self, begins: Anchor) -> SignedHead | None:
        """Returns the head up to which entries go next; None when the time of none is over."""
        async with self.database.statements() as stores:
            newest = await stores.audit_heads.newest()
            heads = await stores.audit_heads.after(begins.sequence, HEADS_AT_ONCE)
        now = self.clock.now()
        over = list(takewhile(lambda head: head != newest and self.retention.over(head, now), heads))
        return over[-1] if over else None
