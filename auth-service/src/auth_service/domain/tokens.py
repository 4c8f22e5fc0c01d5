"""What a session hands out, and what takes it back."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.credential import Role
from auth_service.domain.proof import Methods
from auth_service.domain.session import ACCESS_LIFETIME

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
    """

    access_token: str
    refresh_token: str
    expires_in_seconds: int
    refresh_expires_in_seconds: int
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Refuses access tokens of one session, of one person, or of every session but one.

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


def unix_milliseconds(at: datetime) -> int:
    """Returns the Unix time in whole milliseconds, rounded down, without a float in between."""
    return (at - _EPOCH) // _MILLISECOND


def from_unix_milliseconds(milliseconds: int) -> datetime:
    """Returns the moment of a Unix time in milliseconds."""
    return _EPOCH + milliseconds * _MILLISECOND
