"""Verified addresses, without which no further way into an account may be set up.

Otherwise an attacker could register another user's address, plant an API key or a passkey, and keep it
when the owner of the mailbox takes the account over.
"""

from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass

from auth_service.domain.credential import Credential
from auth_service.domain.errors import EmailNotVerified


@dataclass(frozen=True, slots=True)
class VerifiedAddressRule:
    """Refuses API keys, passkeys and second factors while the address is not verified.

    Attributes:
        is_required: False where no mail can be sent, so that no address could be verified.
    """

    is_required: bool = True

    def check(self, credential: Credential) -> None:
        """Checks that the credential may get another way in.

        Raises:
            EmailNotVerified: its address has to be verified first.
        """
        if self.is_required and not credential.email_verified:
            raise EmailNotVerified


REQUIRED = VerifiedAddressRule()


class EmailRepository(Protocol):
    """Stores which addresses are verified."""

    async def verify(self, user_id: UUID) -> bool:
        """Marks a user's current address as verified; says whether that is new."""
        ...

    async def verified(self, user_id: UUID) -> str | None:
        """Returns a user's address if it is verified."""
        ...
