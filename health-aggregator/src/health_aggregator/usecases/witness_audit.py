"""Witnessing the audit chain: taking each new signed head down before anybody can take it back."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.clock import Clock

from health_aggregator.domain.audit_witness import (
    AuditHeadSource,
    ChainContradicted,
    HeadVerifier,
    SignedHead,
    WitnessedHead,
    WitnessStore,
    continuation,
)


@dataclass(frozen=True, slots=True)
class WitnessAudit:
    """Asks for the heads from the newest witnessed one on, and keeps those that follow from it.

    A chain that contradicts what is kept is never taken over: the same contradiction is found again
    each time, after a restart as well, until the operator has settled it.
    """

    source: AuditHeadSource
    store: WitnessStore
    verifier: HeadVerifier
    clock: Clock

    async def __call__(self) -> WitnessedHead | None:
        """Returns the newest head that is kept; None while there is none.

        Raises:
            ChainContradicted: the chain is not what was witnessed.
            Unavailable: auth-service or the store cannot be asked.
        """
        while True:
            newest = await self.store.newest()
            offered = await self.source.heads(0 if newest is None else newest.sequence)
            new = continuation(newest, offered)
            if not new:
                return newest
            await self._keep(new)

    async def _keep(self, heads: Sequence[SignedHead]) -> None:
        for head in heads:
            if not self.verifier.verify(head):
                raise ChainContradicted(
                    f"the head of audit entry {head.sequence} has a signature that is not its key's"
                )
            # Another aggregator may have been first.
            if await self.store.add(head, self.clock.now()) != head.hash:
                raise ChainContradicted(
                    f"the audit forks: two different heads were signed at entry {head.sequence}"
                )
