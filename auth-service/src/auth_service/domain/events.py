"""Events that auth-service publishes."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass

from auth_service.domain.tokens import Revocation


@dataclass(frozen=True, slots=True)
class RegistrationStarted:
    """A registration waits to be admitted."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user signed in."""

    user_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class EmailVerified:
    """A user verified the address."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class TokensRevoked:
    """Access tokens were revoked."""

    revocation: Revocation


@dataclass(frozen=True, slots=True)
class CopyOutdated:
    """The copy of a user is outdated and has to be fetched again."""

    user_id: UUID


Event = RegistrationStarted | SignedIn | EmailVerified | TokensRevoked | CopyOutdated


class Outbox(Protocol):
    """Events, written in the transaction of the change that they report."""

    async def append(self, event: Event) -> None:
        """Writes an event; it is delivered at least once if the transaction commits."""
        ...
