"""The audit chain in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from auth_service.domain.audit import GENESIS, AuditEntry, AuditFilter, ChainedEntry, chain_hash
from auth_service.domain.audit_client import chained_request_id
from auth_service.domain.audit_head import HeadFault, SignedHead, statement

from tests.fakes.auth_service.state import State


class FakeAuditTrail:
    """`AuditTrail` in a list."""

    def __init__(self, state: State) -> None:
        self._rows = state.audit
        self._heads = state.audit_heads
        self._credentials = state.credentials

    async def append(self, entry: AuditEntry) -> None:
        """Adds an entry at the head of the chain."""
        if entry.outcome == "refused" and entry.subject_id is None and entry.actor_id is None:
            return
        if any(row.entry.id == entry.id for row in self._rows):
            return
        entry = entry.committed()
        user = entry.actor_id or entry.subject_id
        if user is not None and user not in self._credentials:
            entry = without_client(entry)
        sequence = self._rows[-1].sequence + 1 if self._rows else 1
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

    async def prune(self, through: int) -> int:
        """Removes every entry up to a signed head's, and the heads before it; says how many entries."""
        before = len(self._rows)
        self._rows[:] = [row for row in self._rows if row.sequence > through]
        for place in [place for place in self._heads if place < through]:
            del self._heads[place]
        return before - len(self._rows)


def without_client(entry: AuditEntry) -> AuditEntry:
    """Returns an entry whose client is erased."""
    return (
        replace(entry, ip="", user_agent="", request_id=chained_request_id(entry.request_id), salt=b"")
        if entry.commitment
        else entry
    )


class FakeAuditHeads:
    """`AuditHeadRepository` in a dictionary."""

    def __init__(self, state: State) -> None:
        self._rows = state.audit_heads

    async def add(self, head: SignedHead) -> bool:
        """Keeps a head; says whether it is the first one at its place."""
        return self._rows.setdefault(head.sequence, head) is head

    async def newest(self, *, signed_before: datetime | None = None) -> SignedHead | None:
        """Returns the head with the highest place, of those signed before a time."""
        places = [
            head.sequence for head in self._rows.values() if signed_before is None or head.at < signed_before
        ]
        return self._rows[max(places)] if places else None

    async def after(self, sequence: int, limit: int) -> Sequence[SignedHead]:
        """Returns heads beyond a place, the lowest first."""
        return [self._rows[place] for place in sorted(self._rows) if place > sequence][:limit]


class FakeHeadSigner:
    """Signs with a word, and knows it again; `FakeHeadSigner("eve")` is another signer."""

    def __init__(self, kid: str = "ours") -> None:
        self._kid = kid

    def sign(self, sequence: int, chain_hash: bytes, at: datetime) -> SignedHead:
        """Returns the head of the chain, signed."""
        head = SignedHead(sequence=sequence, hash=chain_hash, at=at, kid=self._kid)
        return replace(head, signature=statement(head))

    async def verify(self, heads: Sequence[SignedHead]) -> Sequence[HeadFault | None]:
        """Returns what is wrong with each head by itself."""
        return [self._fault(head) for head in heads]

    def _fault(self, head: SignedHead) -> HeadFault | None:
        if head.kid != self._kid:
            return HeadFault.UNKNOWN_KEY
        return None if head.signature == statement(head) else HeadFault.WRONG_SIGNATURE


def _lets_through(wanted: AuditFilter, entry: AuditEntry) -> bool:
    return (
        (wanted.actor_id is None or entry.actor_id == wanted.actor_id)
        and (wanted.subject_id is None or entry.subject_id == wanted.subject_id)
        and (wanted.action is None or entry.action == wanted.action)
        and (wanted.since is None or entry.occurred_at >= wanted.since)
        and (wanted.until is None or entry.occurred_at < wanted.until)
    )
