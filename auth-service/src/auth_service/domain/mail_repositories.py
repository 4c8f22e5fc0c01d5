"""What auth-service keeps about mails and addresses; a part of `Stores`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from auth_service.domain.mail import Mail, MailKind, MailToken


class MailRepository(Protocol):
    """Keeps mails until they are sent, and the digests of the tokens in them."""

    async def queue(self, kind: MailKind, user_id: UUID) -> UUID:
        """Adds a mail and, on commit, wakes who sends it; returns its id.

        Costs the same for an id that is nobody's.
        """
        ...

    async def claim(self, lease: timedelta) -> Mail | None:
        """Returns a mail that is due, and keeps it from everybody else for the lease."""
        ...

    async def put_off(self, mail_id: UUID, wait: timedelta) -> None:
        """Lets a mail wait."""
        ...

    async def remove(self, mail_id: UUID) -> None:
        """Removes a mail that will not be sent any more, and leaves tokens as they are."""
        ...

    async def note_delivered(self, mail: Mail) -> None:
        """Removes a mail that was delivered.

        Earlier mails of the kind that still wait are removed as well, and their tokens end: with
        the credential locked, none of them can issue one after.
        """
        ...

    async def note_refused(self, mail: Mail) -> None:
        """Removes a mail that was refused for good, with its token; earlier ones go on counting."""
        ...

    async def withdraw(self, user_id: UUID, *kinds: MailKind) -> None:
        """Removes a person's waiting mails of these kinds and makes their tokens useless.

        With the credential locked, no mail that was claimed before can issue a token after.
        """
        ...

    async def waiting(self, user_id: UUID) -> Sequence[MailKind]:
        """Returns what kinds of mail wait for a person."""
        ...

    async def issue(self, mail: Mail, digest: bytes, lifetime: timedelta) -> bool:
        """Makes a token count from now on, beside those of earlier mails.

        Returns:
            False, with nothing issued, when the mail was withdrawn since it was claimed, or a
            later one of the kind was delivered.
        """
        ...

    async def token(self, digest: bytes) -> MailToken | None:
        """Returns the token with this digest."""
        ...

    async def spend(self, digest: bytes) -> bool:
        """Uses a token up; says whether it still counted."""
        ...


class EmailRepository(Protocol):
    """Keeps which addresses were shown to be their persons'."""

    async def verify(self, user_id: UUID) -> bool:
        """Notes that a person's present address is verified; says whether that is new."""
        ...

    async def verified(self, user_id: UUID) -> str | None:
        """Returns a person's address if it is verified."""
        ...
