"""Changing an address: the one asked for, and those that can be restored.

user-service decides whose an address is. Here is what mails need: the pending address is a copy,
and a former address is kept with the notice that goes to it, because its link restores it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

MAILS_TO_ONE_TARGET_MAX = 5
"""How many mails somebody who asked for nothing gets within `TARGET_WINDOW`, whoever names the address."""

TARGET_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerEmail:
    """An address that can be restored by the link in a mail.

    Attributes:
        mail_id: The notice that tells of the change.
        email: As it was typed.
        kept_at: When the change was asked for, or took effect.
    """

    mail_id: UUID
    user_id: UUID
    email: str
    kept_at: datetime
    expires_at: datetime


class EmailChangeRepository(Protocol):
    """Keeps addresses on their way in and out."""

    async def pending(self, user_id: UUID) -> str | None:
        """Returns the address that a user has asked for."""
        ...

    async def set_pending(self, user_id: UUID, email: str | None) -> None:
        """Copies the address that a user has asked for."""
        ...

    async def drop_pending(self, user_id: UUID) -> bool:
        """Gives up the address that a user has asked for; user-service has yet to be told.

        Returns:
            Whether there was one.
        """
        ...

    async def keep_former(self, mail_id: UUID, user_id: UUID, email: str, lifetime: timedelta) -> None:
        """Keeps an address for the link in a mail."""
        ...

    async def former(self, mail_id: UUID) -> FormerEmail | None:
        """Returns the address that a mail goes to."""
        ...

    async def all_former(self, user_id: UUID) -> Sequence[FormerEmail]:
        """Returns every address that a user could restore, the earliest first."""
        ...

    async def restore(self, former: FormerEmail) -> None:
        """Makes a former address the credential's, proven, with none pending.

        It ends the links of this change and of later ones; user-service has yet to be told. The
        address must be free here.
        """
        ...

    async def restored(self, user_id: UUID) -> str | None:
        """Returns a restored address that user-service has yet to know."""
        ...

    async def note_restored(self, user_id: UUID, email: str) -> None:
        """Notes that user-service knows."""
        ...

    async def admit_mail(self, target: bytes, at_most: int, window: timedelta) -> bool:
        """Counts a mail to a target; says whether it may be sent: False when there were too many."""
        ...
