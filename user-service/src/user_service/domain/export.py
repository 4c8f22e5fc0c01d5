"""Everything that is held about a person, for the person.

What auth-service holds is passed on as it came: nothing here depends on what it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from user_service.domain.user import User

AccountData = NewType("AccountData", object)
"""What auth-service holds, the audit chain excepted."""

AuditData = NewType("AuditData", object)
"""An entry of the audit chain."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries by or about a person, the newest first.

    Attributes:
        next_below: What the next page is below; None when there is none.
    """

    entries: Sequence[AuditData]
    next_below: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """The whole.

    Attributes:
        is_truncated: Whether there are older entries than those.
    """

    exported_at: datetime
    user: User
    account: AccountData
    audit_events: Sequence[AuditData]
    is_truncated: bool
