"""What the use cases need from the world to send mails."""

from typing import Protocol
from uuid import UUID

from auth_service.domain.mail import Letter, MailKind


class MailTokens(Protocol):
    """Computes the tokens in mails."""

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token of a mail to this address: the same every time, 256 bits, not to be guessed."""
        ...

    def is_token(self, token: str, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> bool:
        """Whether this is the token of a mail to this address, in the same time whatever differs."""
        ...


class Postman(Protocol):
    """Takes letters to where they are read."""

    async def __call__(self, letter: Letter) -> None:
        """Returns when the letter is out of our hands.

        Raises:
            Undeliverable: it never will be.
            Unavailable: it cannot be delivered now.
        """
        ...
