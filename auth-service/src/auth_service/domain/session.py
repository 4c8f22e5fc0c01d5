"""A session: one row with a counter of its refresh tokens, and its limits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis.clock import CLOCK_SKEW
from chassis.dataclass import dataclass
from chassis.identity.role import Role

from auth_service.domain.audit import AuditEntry
from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import ThrottleKey, ThrottleState
from auth_service.domain.proof import Methods

IDLE = timedelta(days=7)
LIFETIME = timedelta(days=30)
ACCESS_LIFETIME = timedelta(minutes=15)

TOKENS_LIVE = ACCESS_LIFETIME + 2 * CLOCK_SKEW
"""How long after its issue an access token can be accepted: verifiers have leeway, and clocks may be slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session lasts.

    Attributes:
        idle: Until an unused session ends.
        lifetime: Until any session ends.
        access: Until an access token expires; less than `idle`, so that a client that refreshes as late as
            possible is not signed out while it is used.
    """

    idle: timedelta
    lifetime: timedelta
    access: timedelta

    def expiry_after_use(self, created_at: datetime, at: datetime) -> datetime:
        """Returns when a session used now expires."""
        return min(at + self.idle, created_at + self.lifetime)

    def used(self, session: "Session", at: datetime) -> "Session":
        """Returns a session after a token of it was issued."""
        return replace(session, last_used_at=at, expires_at=self.expiry_after_use(session.created_at, at))

    def applied(self, session: "Session") -> "Session":
        """Returns a session with the expiry that these limits give it, if that is sooner."""
        expires_at = self.expiry_after_use(session.created_at, session.last_used_at)
        return replace(session, expires_at=min(session.expires_at, expires_at))


STANDARD = SessionLimits(idle=IDLE, lifetime=LIFETIME, access=ACCESS_LIFETIME)

STRICT = SessionLimits(idle=timedelta(minutes=15), lifetime=timedelta(hours=12), access=timedelta(minutes=5))
"""For patients' data: ends after 15 minutes without use, and after 12 hours in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in of a user.

    Attributes:
        counter: The number of the newest refresh token.
        rotated_at: When the counter last rose; at first, the sign-in.
        expires_at: When the newest refresh token expires.
        ended_at: When the session ended; None while it is open.
        ip: The client's address at the sign-in.
        user_agent: The client's User-Agent at the sign-in.
        by_passkey: Whether a passkey opened it, which counts as two factors.
        auth_time: When the user last authenticated in it; refreshing does not count.
        amr: How, by RFC 8176.
    """

    id: UUID
    user_id: UUID
    counter: int
    rotated_at: datetime
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ip: str
    user_agent: str
    by_passkey: bool = False
    auth_time: datetime
    amr: Methods


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSession:
    """A session locked for a change, with what a new token needs.

    Attributes:
        role: The user's role now.
        at: Postgres' clock, read under the lock.
        has_two_factors: As `RightsRule` takes it.
    """

    session: Session
    role: Role
    at: datetime
    has_two_factors: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The result of opening a session: at most one of the two.

    Attributes:
        locked: The session; None if the credential has changed since it was checked.
        blocked_for: How long the client is blocked, by failures in the meantime.
    """

    locked: LockedSession | None = None
    blocked_for: timedelta | None = None


class SignInRepository(Protocol):
    """What a sign-in reads and writes, in as few statements as possible."""

    async def look_up(self, canonical: str, key: ThrottleKey) -> tuple[ThrottleState, Credential | None]:
        """Counts an attempt in advance; returns the failures before it and the credential.

        That is `LoginThrottleRepository.reserve` and `CredentialRepository.by_email` in one statement.
        """
        ...

    async def open(
        self,
        session_id: UUID,
        proven: Credential,
        key: ThrottleKey | None,
        entry: AuditEntry,
        amr: Methods,
        *,
        other_key: ThrottleKey | None = None,
    ) -> Opening:
        """Opens a session, deletes the client's failures and appends the audit entry, or none of it.

        Args:
            session_id: The session's id.
            proven: The credential as it was when the user was authenticated.
            key: The account and the client; None for a passkey, which cannot be guessed.
            entry: The audit entry; the session takes address and User-Agent from it.
            amr: How the user was authenticated.
            other_key: The account and another client whose failures are deleted, unless it is blocked.
        """
        ...


class SessionRepository(Protocol):
    """Stores sessions, one row each."""

    async def lock(self, session_id: UUID) -> LockedSession | None:
        """Locks a session's credential against changes, and the session for one.

        Returns:
            None if there is no such session, or its user may not sign in.
        """
        ...

    async def rotate(self, session: Session, at: datetime, expires_at: datetime) -> bool:
        """Raises the counter by one if it is still the session's; says whether it was."""
        ...

    async def renew(self, session: Session) -> None:
        """Stores an open, locked session's last use, expiry and authentication."""
        ...

    async def end(self, session_id: UUID, user_id: UUID) -> bool:
        """Ends a user's open session; says whether it was one."""
        ...

    async def end_all(
        self, user_id: UUID, *, but: UUID | None = None, used_since: datetime
    ) -> Sequence[UUID]:
        """Ends a user's open sessions.

        Args:
            user_id: The user.
            but: The session that stays open.
            used_since: Return only sessions used since then: older ones have no valid access token.

        Returns:
            The sessions that ended, of those used since then.
        """
        ...

    async def wait_for_sign_ins(self) -> None:
        """Waits for sign-ins that have begun; others wait until this transaction ends."""
        ...

    async def end_every(
        self, opened_until: datetime, *, but: UUID, limit: int, used_since: datetime
    ) -> tuple[int, Sequence[UUID]]:
        """Ends up to `limit` open sessions of all users; returns how many, and those used since then."""
        ...

    async def is_open(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether a user's session is open."""
        ...

    async def open_sessions(
        self, user_id: UUID, limit: int, *, offset: int = 0, below: UUID | None = None
    ) -> Sequence[Session]:
        """Returns a user's open sessions, the newest first."""
        ...

    async def count_open(self, user_id: UUID) -> int:
        """Returns how many open sessions a user has."""
        ...

    async def allows(self, session_id: UUID, user_id: UUID, issued_at: datetime) -> bool:
        """Whether an access token of the session, issued then, has not been revoked."""
        ...
