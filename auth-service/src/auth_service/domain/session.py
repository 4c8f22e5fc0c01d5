"""A session: one row, a counter, and the rules by which its refresh token is exchanged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from auth_service.domain.audit import AuditEntry
from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import ThrottleKey, ThrottleState
from auth_service.domain.proof import Methods
from auth_service.domain.user import Role

IDLE = timedelta(days=7)
LIFETIME = timedelta(days=30)
REUSE_GRACE = timedelta(seconds=10)
"""How long after a rotation the token before it still gives the same successor."""

ACCESS_LIFETIME = timedelta(minutes=15)
CLOCK_SKEW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session lasts.

    Attributes:
        idle: Until a session ends that nobody uses.
        lifetime: Until a session ends, used or not.
        access: Until an access token expires; less than `idle`, so that a client that refreshes
            only when it must is not signed out while somebody works.
    """

    idle: timedelta
    lifetime: timedelta
    access: timedelta

    def expiry_after_use(self, created_at: datetime, at: datetime) -> datetime:
        """Returns when a session used now expires."""
        return min(at + self.idle, created_at + self.lifetime)

    def used(self, session: "Session", at: datetime) -> "Session":
        """Returns a session as it is once a token of it has been given out."""
        return replace(session, last_used_at=at, expires_at=self.expiry_after_use(session.created_at, at))

    def applied(self, session: "Session") -> "Session":
        """Returns a session as these limits see it, whichever held when it was used last."""
        expires_at = self.expiry_after_use(session.created_at, session.last_used_at)
        return replace(session, expires_at=min(session.expires_at, expires_at))


STANDARD = SessionLimits(idle=IDLE, lifetime=LIFETIME, access=ACCESS_LIFETIME)

STRICT = SessionLimits(idle=timedelta(minutes=15), lifetime=timedelta(hours=12), access=timedelta(minutes=5))
"""For patients' data: signed out after 15 minutes without use, and after a day's work in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A place where a user is signed in.

    Attributes:
        counter: Which refresh token is the newest.
        rotated_at: When the counter last rose; the sign-in before the first time.
        expires_at: When the newest refresh token is no good any more.
        ended_at: When the session ended; None while it is open.
        ip: The client's address at the sign-in.
        user_agent: The client's User-Agent at the sign-in.
        by_passkey: Whether a passkey opened it, which is two factors at once.
        auth_time: When the user last proved who they are in it; refreshing does not.
        amr: How, in the words of RFC 8176.
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
    """A session locked for a change, with what a new token of it would say.

    Attributes:
        role: The user's role now.
        at: Postgres' clock, read under the lock.
        guarded: Whether it took two factors: the user has a second one, or came by a passkey.
    """

    session: Session
    role: Role
    at: datetime
    guarded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What trying to open a session came to: at most one of the two.

    Attributes:
        locked: The session; None when the credential is not what was judged any more.
        blocked_for: How long the client has to wait, having guessed too often meanwhile.
    """

    locked: LockedSession | None = None
    blocked_for: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """What a refresh token names."""

    session_id: UUID
    counter: int


class Exchange(Enum):
    """What presenting a refresh token comes to."""

    ROTATE = auto()
    SAME_SUCCESSOR = auto()
    SPENT = auto()
    EXPIRED = auto()
    ENDED = auto()
    NEVER_ISSUED = auto()


def evaluate_exchange(session: Session, counter: int, at: datetime, *, is_replay: bool = False) -> Exchange:
    """Decides what becomes of a refresh token with this counter.

    The token just before the newest is honoured for `REUSE_GRACE`: two tabs that refresh at
    once both get the same successor, and the session is not advanced a second time. Whoever
    spent it and lost the answer is told again for longer, by the name of the attempt: nobody
    who merely has the token knows that.

    Args:
        session: The session, locked.
        counter: The token's.
        at: The time.
        is_replay: Whether the very attempt that spent the token asks for its answer.
    """
    if session.ended_at is not None:
        return Exchange.ENDED
    if counter > session.counter:
        return Exchange.NEVER_ISSUED
    behind = session.counter - counter
    if behind == 1 and at - session.rotated_at <= REUSE_GRACE:
        return Exchange.SAME_SUCCESSOR
    if behind > 1 or (behind == 1 and not is_replay):
        return Exchange.SPENT
    if at >= session.expires_at:
        return Exchange.EXPIRED
    return Exchange.SAME_SUCCESSOR if behind else Exchange.ROTATE


class SignInRepository(Protocol):
    """What a sign-in reads and writes, in as few steps as can be."""

    async def look_up(self, canonical: str, key: ThrottleKey) -> tuple[ThrottleState, Credential | None]:
        """Counts a guess before it is made, and returns what is held and the credential.

        That is `LoginThrottleRepository.reserve` and the credential with the address, in one step.
        """
        ...

    async def open(
        self, session_id: UUID, judged: Credential, key: ThrottleKey | None, entry: AuditEntry, amr: Methods
    ) -> Opening:
        """Opens a session, forgives the client's wrong guesses and appends the entry, or none of it.

        Args:
            session_id: The session's id.
            judged: The credential as it was when it was found proven.
            key: The account and the client; None for a passkey, which cannot be guessed.
            entry: Of the sign-in; address and User-Agent of the session are its.
            amr: How the user has proved who they are.
        """
        ...


class SessionRepository(Protocol):
    """Keeps sessions, one row each."""

    async def lock(self, session_id: UUID) -> LockedSession | None:
        """Locks a session's credential against change and the session for a change.

        Returns:
            None when there is no such session, or its user may not sign in.
        """
        ...

    async def rotate(self, session: Session, at: datetime, expires_at: datetime) -> bool:
        """Raises the counter by one if it is still the session's; says whether it was."""
        ...

    async def renew(self, session: Session) -> None:
        """Keeps when an open, locked session was used, until when it lasts and how it is proven."""
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
            but: The session that goes on.
            used_since: Name only sessions used since then: older ones have no living token.

        Returns:
            The sessions ended, as far as `used_since` asks for them.
        """
        ...

    async def end_every(
        self, opened_until: datetime, *, but: UUID, limit: int, used_since: datetime
    ) -> tuple[int, Sequence[UUID]]:
        """Ends up to `limit` open sessions of whomever; returns how many, and which had living tokens."""
        ...

    async def is_open(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether a user's session goes on."""
        ...

    async def open_sessions(self, user_id: UUID, limit: int, offset: int = 0) -> Sequence[Session]:
        """Returns a user's open sessions, the newest first."""
        ...

    async def count_open(self, user_id: UUID) -> int:
        """Returns how many open sessions a user has."""
        ...

    async def allows(self, session_id: UUID, user_id: UUID, issued_at: datetime) -> bool:
        """Whether an access token of the session, issued then, has not been revoked."""
        ...
