"""The witness of the audit chain: a service that keeps signed heads where this one cannot write.

Heads in our own schema can be removed or replaced by whoever owns it, together with the entries that
they were signed for. What the witness keeps contradicts that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

NOT_CONFIGURED = "no witness is configured: set AUTH_WITNESS_ADDRESS to health-aggregator's gRPC address"
UNREACHABLE = "the witness (health-aggregator) cannot be asked now: try again"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedHead:
    """A signed head as the witness first saw it.

    Attributes:
        sequence: Place of the entry that was signed.
        hash: The entry's hash.
        at: When it was signed.
    """

    sequence: int
    hash: bytes
    at: datetime


class AuditWitness(Protocol):
    """Keeps signed heads of the chain in a place that this service cannot write."""

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest place; None before the first.

        Raises:
            Unavailable: the witness cannot be asked.
        """
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns heads beyond a place, the lowest first.

        Raises:
            Unavailable: the witness cannot be asked.
        """
        ...
