"""Walking the audit chain."""

from dataclasses import dataclass

from auth_service.domain.audit import GENESIS, ChainReport, chain_hash
from auth_service.domain.stores import Database

BATCH = 500


@dataclass(frozen=True, slots=True)
class VerifyAuditEvents:
    """Computes every hash again, from the first entry to the head."""

    database: Database

    async def __call__(self) -> ChainReport:
        """Returns what was found; names the first entry that was altered, removed or put in between."""
        sequence, previous, walked = 0, GENESIS, 0
        first_broken: int | None = None
        while True:
            # No connection is held while a batch is hashed.
            async with self.database.statements() as stores:
                batch = await stores.audit.after(sequence, BATCH)
            for chained in batch:
                follows = chained.sequence == sequence + 1
                if first_broken is None and not (
                    follows and chained.hash == chain_hash(previous, chained.sequence, chained.entry)
                ):
                    first_broken = chained.sequence if follows else sequence + 1
                sequence, previous = chained.sequence, chained.hash
            walked += len(batch)
            if len(batch) < BATCH:
                head = previous if walked else None
                return ChainReport(events=walked, head=head, first_broken=first_broken)
