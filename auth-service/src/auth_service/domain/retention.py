"""Retention: how long rows and audit entries are kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from auth_service.domain.audit_head import SignedHead

YEARS_MIN_STRICT = 6
"""What 45 CFR 164.316(b)(2)(i) asks for."""

_YEAR = timedelta(days=366)
"""Rather a day too long than one too short."""


@dataclass(frozen=True, slots=True)
class AuditRetention:
    """How long entries are kept.

    Attributes:
        years: So many; None for ever.
    """

    years: int | None = None

    def over(self, head: SignedHead, now: datetime) -> bool:
        """Says whether what was signed then, and all before it, has served its time."""
        return self.years is not None and head.at < now - self.years * _YEAR


FOR_EVER = AuditRetention()
"""What holds where nothing is set."""


class Retention(Protocol):
    """Deletes what has served its time, a small batch at a time."""

    async def purge(self, limit: int) -> int:
        """Deletes up to `limit` rows of each kind; returns how many it deleted."""
        ...
