"""The export of everything that is stored about a user.

The parts of auth-service and knowledge-service are passed on unread.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NewType, Protocol
from uuid import UUID

from chassis.dataclass import dataclass

from user_service.domain.user import User

AccountData = NewType("AccountData", object)
"""What auth-service stores, except the audit chain."""

DocumentData = NewType("DocumentData", object)
"""A document that knowledge-service stores."""

SourceData = NewType("SourceData", object)
"""A folder that knowledge-service follows."""

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


@dataclass(frozen=True, slots=True)
class ExportedDocuments:
    """The documents of a user, and the folders that documents come from.

    Attributes:
        is_truncated: Whether some documents were left out.
    """

    documents: Sequence[DocumentData] = ()
    sources: Sequence[SourceData] = ()
    is_truncated: bool = False


class StoredDocuments(Protocol):
    """The documents that knowledge-service stores."""

    async def export(self, user_id: UUID) -> ExportedDocuments:
        """Returns the documents and sources of a user.

        Raises:
            Unavailable: knowledge-service could not be reached.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """The whole export.

    Attributes:
        is_truncated: Whether older audit entries were left out.
        documents: None are stored where knowledge-service is off.
    """

    exported_at: datetime
    user: User
    account: AccountData
    audit_events: Sequence[AuditData]
    is_truncated: bool
    documents: ExportedDocuments
