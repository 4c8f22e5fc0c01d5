"""How long the audit is kept, and where a chain begins whose oldest entries have served their time.

Entries go oldest first and as far as a signed head, which stays: its signature tells what stood
there and since when. A head cannot be made older by whoever has not the master key, so a chain that
begins behind one may have lost only what its time was over for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

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
