"""Witnessing the audit chain: storing each new signed head before it could be withdrawn."""

from collections.abc import Sequence

from chassis.clock import Clock
from chassis.component import Component

from health_aggregator.domain.audit_witness import (
    AuditHeadSource,
    ChainContradicted,
    HeadVerifier,
    SignedHead,
    WitnessedHead,
    WitnessStore,
    continuation,
)


class WitnessAudit(Component):
    """Fetches the heads from the newest stored one on, and stores the new ones.

    A chain that contradicts the stored heads is never accepted: each run finds the contradiction
    again, also after a restart, until the operator has resolved it.
    """

    source: AuditHeadSource
    store: WitnessStore
    verifier: HeadVerifier
    clock: Clock

    async def __call__(self) -> WitnessedHead | None:
        """Returns the newest stored head; None while there is none.

        Raises:
            ChainContradicted: the chain contradicts the stored heads.
            Unavailable: auth-service or the store cannot be reached.
        """
        while True:
            newest = await self.store.newest()
            offered = await self.source.heads(0 if newest is None else newest.sequence)
            new = continuation(newest, offered)
            if not new:
                return newest
            await self._store(new)

    async def _store(self, heads: Sequence[SignedHead]) -> None:
        for head in heads:
            if not self.verifier.verify(head):
                raise ChainContradicted(
                    f"the head of audit entry {head.sequence} has a signature that is not its key's"
                )
            # Another aggregator may have stored it first.
            if await self.store.add(head, self.clock.now()) != head.hash:
                raise ChainContradicted(
                    f"the audit forks: two different heads were signed at entry {head.sequence}"
                )
