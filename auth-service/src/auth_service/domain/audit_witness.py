"""The witness of the audit chain: a service that stores signed heads where this one cannot write.

The owner of our schema can remove or replace heads together with their entries. The witness' heads
contradict that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from chassis.dataclass import dataclass

NOT_CONFIGURED = "no witness is configured: set AUTH_WITNESS_ADDRESS to health-aggregator's gRPC address"
UNREACHABLE = "the witness (health-aggregator) is unreachable: try again"


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
    """Stores signed heads where this service cannot write."""

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest place; None without any.

        Raises:
            Unavailable: the witness is unreachable.
        """
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns the heads after a place, the lowest first.

        Raises:
            Unavailable: the witness is unreachable.
        """
        ...
