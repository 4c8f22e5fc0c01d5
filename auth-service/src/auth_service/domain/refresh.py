"""The exchange of refresh tokens: rotation, and the detection of a token that is used again."""

from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from chassis.dataclass import dataclass

from auth_service.domain.session import Session

REUSE_GRACE = timedelta(seconds=10)
"""Refresh reuse grace: how long after a rotation the previous token still returns the same successor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """What a refresh token identifies."""

    session_id: UUID
    counter: int


class Exchange(Enum):
    """The result of presenting a refresh token."""

    ROTATE = auto()
    SAME_SUCCESSOR = auto()
    SPENT = auto()
    EXPIRED = auto()
    ENDED = auto()
    NEVER_ISSUED = auto()


def evaluate_exchange(session: Session, counter: int, at: datetime, *, is_replay: bool = False) -> Exchange:
    """Decides what a refresh token with this counter gets.

    The token before the newest is accepted for `REUSE_GRACE`: two tabs that refresh at once both get the
    same successor, and the session is not advanced twice. The client that spent it and lost the response
    gets the successor for longer, by its idempotency key, which a thief of the token does not have.

    Args:
        session: The session, locked.
        counter: The token's.
        at: The time.
        is_replay: Whether the request that spent the token is repeated.
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
