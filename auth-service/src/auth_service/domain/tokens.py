"""Tokens: what access tokens grant, and what revokes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from auth_service.domain.proof import Methods
from auth_service.domain.session import ACCESS_LIFETIME, RefreshToken
from auth_service.domain.user import Role

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant:
    """What an access token is to say.

    Attributes:
        at: The time of issue by Postgres' clock, which revocations are compared with.
        lifetime: Until it expires.
        must_enrol: Whether it is good for nothing but setting up a second factor.
        auth_time: When the user last proved who they are.
        amr: How, in the words of RFC 8176.
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
        device: By which the account knows the browser in later sign-ins; empty when it is not named.
    """

    access_token: str
    refresh_token: str
    expires_in_seconds: int
    refresh_expires_in_seconds: int
    role: Role
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Refuses access tokens of one session, of one user, or of every session but one.

    Attributes:
        every_session: Whether it is about everybody's sessions.
        kept_session_id: The session that goes on, when it is.
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
    """Keeps what refuses access tokens before their time."""

    async def of_session(self, session_id: UUID) -> Revocation:
        """Refuses every access token of a session issued until now."""
        ...

    async def of_user(self, user_id: UUID) -> Revocation:
        """Refuses every access token of a user issued until now.

        Tokens issued after the transaction commits are later by a millisecond at least.
        """
        ...

    async def of_every_session(self, kept: UUID, *, sessions_ended: bool) -> Revocation:
        """Refuses the access tokens of everybody's sessions but one, issued until now.

        Args:
            kept: The session that goes on.
            sessions_ended: Whether the sessions have ended already; otherwise they are `unended`.
        """
        ...

    async def unended(self) -> Sequence[Revocation]:
        """Returns revocations of every session whose sessions have yet to end."""
        ...

    async def note_ended(self, revocation: Revocation) -> None:
        """Notes that the sessions of an `unended` revocation have ended."""
        ...

    async def concerning(self, user_id: UUID) -> Sequence[Revocation]:
        """Returns the revocations of a user's tokens that can still matter."""
        ...

    async def in_force(self) -> tuple[Sequence[Revocation], datetime]:
        """Returns every revocation that can still matter, and when it was read."""
        ...


def unix_milliseconds(at: datetime) -> int:
    """Returns the Unix time in whole milliseconds, rounded down, without a float in between."""
    return (at - _EPOCH) // _MILLISECOND


def from_unix_milliseconds(milliseconds: int) -> datetime:
    """Returns the moment of a Unix time in milliseconds."""
    return _EPOCH + milliseconds * _MILLISECOND


class TokenSigner(Protocol):
    """Signs access tokens."""

    def sign(self, grant: AccessGrant) -> str:
        """Returns a JWT that says what is granted.

        Raises:
            Unavailable: there is no key yet.
        """
        ...


class RefreshTokens(Protocol):
    """Makes and reads refresh tokens."""

    def write(self, token: RefreshToken) -> str:
        """Returns the token as clients keep it; the same one for the same session and counter."""
        ...

    def read(self, text: str) -> RefreshToken | None:
        """Returns what the token names; None when we did not make it."""
        ...


class Authenticator(Protocol):
    """Authenticates access tokens against Postgres."""

    async def authenticate(self, token: str) -> object:
        """Returns when the token is good now.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: Postgres cannot be reached.
        """
        ...
