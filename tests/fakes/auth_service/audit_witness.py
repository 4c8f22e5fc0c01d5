"""The witness of the audit chain in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from auth_service.domain.audit_head import SignedHead
from auth_service.domain.audit_witness import WitnessedHead
from chassis.errors import Unavailable


@dataclass
class FakeAuditWitness:
    """`AuditWitness` in a dictionary.

    Attributes:
        away: Whether it cannot be asked.
    """

    away: bool = False
    _heads: dict[int, WitnessedHead] = field(default_factory=dict)

    def see(self, *heads: SignedHead) -> None:
        """Takes heads down, as health-aggregator does every few seconds."""
        for head in heads:
            seen = WitnessedHead(sequence=head.sequence, hash=head.hash, at=head.at)
            self._heads.setdefault(head.sequence, seen)

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest place."""
        self._answer()
        return self._heads[max(self._heads)] if self._heads else None

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns heads beyond a place."""
        self._answer()
        return [self._heads[place] for place in sorted(self._heads) if place > sequence][:limit]

    def _answer(self) -> None:
        if self.away:
            raise Unavailable
