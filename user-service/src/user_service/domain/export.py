"""The export of everything that is stored about a user.

auth-service's part is passed on unread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from user_service.domain.user import User

AccountData = NewType("AccountData", object)
"""What auth-service stores, except the audit chain."""

AuditData = NewType("AuditData", object)
"""An entry of the audit chain."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries by or about a user, newest first.

    Attributes:
        next_below: The next page has sequences below this; None when this is the last page.
    """

    entries: Sequence[AuditData]
    next_below: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """The whole export.

    Attributes:
        is_truncated: Whether older audit entries were left out.
    """

    exported_at: datetime
    user: User
    account: AccountData
    audit_events: Sequence[AuditData]
    is_truncated: bool
