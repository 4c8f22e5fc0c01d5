"""Who may set up another way into an account: whoever has proven its address.

Otherwise somebody could sign up with another's address, plant an API key or a passkey, and keep
it when the owner of the mailbox takes the account over.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from auth_service.domain.credential import Credential
from auth_service.domain.errors import EmailNotVerified


@dataclass(frozen=True, slots=True)
class VerifiedAddressRule:
    """Refuses API keys, passkeys and second factors on an address that is not proven.

    Attributes:
        is_required: False where no mail can be sent, so that nobody could prove an address.
    """

    is_required: bool = True

    def check(self, credential: Credential) -> None:
        """Returns when the credential may get another way in.

        Raises:
            EmailNotVerified: its address has to be proven first.
        """
        if self.is_required and not credential.email_verified:
            raise EmailNotVerified


REQUIRED = VerifiedAddressRule()


class EmailRepository(Protocol):
    """Keeps which addresses were shown to be their persons'."""

    async def verify(self, user_id: UUID) -> bool:
        """Notes that a user's present address is verified; says whether that is new."""
        ...

    async def verified(self, user_id: UUID) -> str | None:
        """Returns a user's address if it is verified."""
        ...
