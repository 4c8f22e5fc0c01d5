"""Tokens: what access tokens grant, and what revokes them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.role import Role

from auth_service.domain.proof import Methods
from auth_service.domain.refresh import RefreshToken
from auth_service.domain.session import ACCESS_LIFETIME

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant:
    """What an access token grants.

    Attributes:
        at: The time of issue by Postgres' clock, which revocations are compared with.
        lifetime: Until it expires.
        must_enrol: Whether it only allows setting up a second factor.
        auth_time: When the user last authenticated.
        amr: How, by RFC 8176.
    """

    user_id: UUID
    session_id: UUID
    role: Role
    at: datetime
    lifetime: timedelta = ACCESS_LIFETIME
    must_enrol: bool = False
    auth_time: datetime
    amr: Methods


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """An access token and the refresh token that will replace it.

    Attributes:
        expires_in_seconds: Until the access token expires.
        refresh_expires_in_seconds: Until the refresh token expires, if it is not used.
        device: The device token, by which the browser is recognized later; empty without one.
    """

    access_token: str
    refresh_token: str
    expires_in_seconds: int
    refresh_expires_in_seconds: int
    role: Role
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Refuses access tokens of one session, of one user, or of all sessions but one.

    Attributes:
        every_session: Whether it concerns the sessions of all users.
        kept_session_id: The session that stays open in that case.
        issued_until: Tokens issued at or before this time, to the millisecond, are refused.
        expires_at: When the last such token has expired by itself.
    """

    session_id: UUID | None = None
    user_id: UUID | None = None
    every_session: bool = False
    kept_session_id: UUID | None = None
    issued_until: datetime
    expires_at: datetime


class RevocationRepository(Protocol):
    """Stores what refuses access tokens before they expire."""

    async def of_session(self, session_id: UUID) -> Revocation:
        """Refuses every access token of a session issued until now."""
        ...

    async def of_user(self, user_id: UUID) -> Revocation:
        """Refuses every access token of a user issued until now.

        Tokens issued after the transaction commits are later by a millisecond at least.
        """
        ...

    async def of_every_session(self, kept: UUID, *, sessions_ended: bool) -> Revocation:
        """Refuses the access tokens of all sessions but one, issued until now.

        Args:
            kept: The session that stays open.
            sessions_ended: Whether the sessions have ended; otherwise the revocation is `unended`.
        """
        ...

    async def unended(self) -> Sequence[Revocation]:
        """Returns the revocations of all sessions whose sessions have not all ended."""
        ...

    async def note_ended(self, revocation: Revocation) -> None:
        """Records that the sessions of an `unended` revocation have ended."""
        ...

    async def concerning(self, user_id: UUID) -> Sequence[Revocation]:
        """Returns the revocations in force of a user's tokens."""
        ...

    async def in_force(self, since: datetime) -> tuple[Sequence[Revocation], datetime]:
        """Returns the revocations in force that were committed since a time, and when they were read."""
        ...


def unix_milliseconds(at: datetime) -> int:
    """Returns the Unix time in milliseconds, rounded down, without a float in between."""
    return (at - _EPOCH) // _MILLISECOND


def from_unix_milliseconds(milliseconds: int) -> datetime:
    """Returns the time of a Unix time in milliseconds."""
    return _EPOCH + milliseconds * _MILLISECOND


class TokenSigner(Protocol):
    """Signs access tokens."""

    def sign(self, grant: AccessGrant) -> str:
        """Returns a JWT.

        Raises:
            Unavailable: there is no key yet.
        """
        ...


class RefreshTokens(Protocol):
    """Encodes and decodes refresh tokens."""

    def write(self, token: RefreshToken) -> str:
        """Returns the token for the client; the same one for the same session and counter."""
        ...

    def read(self, text: str) -> RefreshToken | None:
        """Returns what the token identifies; None if it is not ours."""
        ...


class Authenticator(Protocol):
    """Authenticates access tokens against Postgres."""

    async def authenticate(self, token: str) -> object:
        """Returns the claims of a valid token.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has expired.
            TokenRevoked: it was revoked.
            Unavailable: Postgres is unreachable.
        """
        ...
