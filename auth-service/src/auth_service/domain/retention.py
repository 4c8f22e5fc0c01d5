"""Retention: how long rows and audit entries are kept."""

from datetime import datetime, timedelta
from typing import Protocol

from chassis.dataclass import dataclass

from auth_service.domain.audit_head import SignedHead

YEARS_MIN_STRICT = 6
"""Required by 45 CFR 164.316(b)(2)(i)."""

_YEAR = timedelta(days=366)
"""One day too long rather than one too short."""


@dataclass(frozen=True, slots=True)
class AuditRetention:
    """How long audit entries are kept.

    Entries are pruned oldest first, up to a signed head, which stays. Its signature proves what was there
    and when, so a chain that begins behind a head has lost only entries whose time was over.

    Attributes:
        years: None for ever.
    """

    years: int | None = None

    def over(self, head: SignedHead, now: datetime) -> bool:
        """Whether the retention time of the head's entry, and of all before it, is over."""
        return self.years is not None and head.at < now - self.years * _YEAR


FOR_EVER = AuditRetention()
"""The default."""


class Retention(Protocol):
    """Deletes rows whose retention time is over, in small batches."""

    async def purge(self, limit: int) -> int:
        """Deletes up to `limit` rows of each kind; returns how many it deleted."""
        ...
