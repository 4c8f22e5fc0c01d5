"""Changing an address: the pending one, and former ones that can be restored.

user-service owns the addresses. Stored here is what mails need: a copy of the pending address, and each
former address with the notice that is sent to it, because the notice's link restores it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass

MAILS_TO_ONE_TARGET_MAX = 5
"""Mails to one pending address within `TARGET_WINDOW`, however many users request it."""

TARGET_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerEmail:
    """An address that can be restored by the link in a mail.

    Attributes:
        mail_id: The notice of the change.
        email: As typed.
        kept_at: When the change was requested, or took effect.
    """

    mail_id: UUID
    user_id: UUID
    email: str
    kept_at: datetime
    expires_at: datetime


class EmailChangeRepository(Protocol):
    """Stores pending and former addresses."""

    async def pending(self, user_id: UUID) -> str | None:
        """Returns a user's pending address."""
        ...

    async def set_pending(self, user_id: UUID, email: str | None) -> None:
        """Copies a user's pending address."""
        ...

    async def drop_pending(self, user_id: UUID) -> bool:
        """Drops a user's pending address here; user-service follows by event.

        Returns:
            Whether there was one.
        """
        ...

    async def keep_former(self, mail_id: UUID, user_id: UUID, email: str, lifetime: timedelta) -> None:
        """Stores an address that the link in a mail restores."""
        ...

    async def former(self, mail_id: UUID) -> FormerEmail | None:
        """Returns the address that a mail's link restores."""
        ...

    async def all_former(self, user_id: UUID) -> Sequence[FormerEmail]:
        """Returns every address that a user can restore, the earliest first."""
        ...

    async def restore(self, former: FormerEmail) -> None:
        """Makes a former address the credential's, verified, with none pending.

        Ends the links of this change and of later ones; user-service follows by event. No other credential
        may hold the address.
        """
        ...

    async def restored(self, user_id: UUID) -> str | None:
        """Returns a restored address that user-service does not have yet."""
        ...

    async def note_restored(self, user_id: UUID, email: str) -> None:
        """Records that user-service has the address."""
        ...

    async def admit_mail(self, target: bytes, at_most: int, window: timedelta) -> bool:
        """Counts a mail to a target; says whether it may be sent."""
        ...
