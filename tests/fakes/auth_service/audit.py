"""The audit chain in memory."""

from collections.abc import Sequence

from auth_service.domain.audit import GENESIS, AuditEntry, AuditFilter, ChainedEntry, chain_hash

from tests.fakes.auth_service.state import State


class FakeAuditTrail:
    """`AuditTrail` in a list."""

    def __init__(self, state: State) -> None:
        self._rows = state.audit

    async def append(self, entry: AuditEntry) -> None:
        """Adds an entry at the head of the chain."""
        if any(row.entry.id == entry.id for row in self._rows):
            return
        sequence = len(self._rows) + 1
        previous = self._rows[-1].hash if self._rows else GENESIS
        self._rows.append(
            ChainedEntry(sequence=sequence, hash=chain_hash(previous, sequence, entry), entry=entry)
        )

    async def page(
        self, wanted: AuditFilter, *, limit: int, offset: int = 0, below: int | None = None
    ) -> Sequence[ChainedEntry]:
        """Returns entries, the newest first."""
        found = [row for row in reversed(self._rows) if _lets_through(wanted, row.entry)]
        found = [row for row in found if below is None or row.sequence < below]
        return found[offset : offset + limit]

    async def count(self, wanted: AuditFilter) -> int:
        """Returns how many entries the filter lets through."""
        return sum(_lets_through(wanted, row.entry) for row in self._rows)

    async def after(self, sequence: int, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries that follow a sequence."""
        return [row for row in self._rows if row.sequence > sequence][:limit]


def _lets_through(wanted: AuditFilter, entry: AuditEntry) -> bool:
    return (
        (wanted.actor_id is None or entry.actor_id == wanted.actor_id)
        and (wanted.subject_id is None or entry.subject_id == wanted.subject_id)
        and (wanted.action is None or entry.action == wanted.action)
        and (wanted.since is None or entry.occurred_at >= wanted.since)
        and (wanted.until is None or entry.occurred_at < wanted.until)
    )
