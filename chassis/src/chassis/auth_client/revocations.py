"""The revocations in force, in memory: checking a token takes two look-ups."""

import heapq
import time
from typing import NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Gauge
from vestibule.events.v1.events_pb2 import TokensRevoked

from chassis.clock import CLOCK_SKEW
from chassis.identity.claims import Claims

log = structlog.get_logger()

_SKEW_MILLISECONDS = int(CLOCK_SKEW.total_seconds() * 1_000)

LIFETIME_MILLISECONDS_MAX = 60 * 60 * 1000
"""More than the lifetime of an access token (15 minutes) with all clock skew."""

_IN_FORCE = Gauge("revocations_in_force", "Sessions and users whose tokens this process refuses.")


class _OfEverySession(NamedTuple):
    """Refuses the tokens of every session but `kept_session_id`."""

    issued_until: int
    kept_session_id: str
    expires_at: int


class RevocationSet:
    """Which sessions' and users' tokens are refused, and up to which time of issue.

    An entry is dropped when the last token that it concerns has expired. Applying revocations twice, late
    or out of order gives the same set.
    """

    def __init__(self) -> None:
        self._issued_until: dict[UUID, int] = {}
        self._expiries: list[tuple[int, UUID, int]] = []
        self._of_every_session: list[_OfEverySession] = []
        _IN_FORCE.set_function(self.__len__)

    def __len__(self) -> int:
        """Returns how many entries there are."""
        return len(self._issued_until) + len(self._of_every_session)

    def apply(self, revoked: TokensRevoked) -> bool:
        """Applies one revocation, and returns whether it was unknown.

        One that is malformed is logged and ignored.
        """
        if _reaches_too_far(revoked):
            log.warning("revocation ignored: its times lie too far ahead")
            return False
        if revoked.every_session:
            return self._apply_to_every_session(revoked)
        try:
            subject = UUID(revoked.session_id or revoked.user_id)
        except ValueError:
            log.warning("revocation ignored: it names no session and no user")
            return False
        self._expire()
        issued_until, expires_at = revoked.issued_until_milliseconds, revoked.expires_at_milliseconds
        if expires_at <= _now_milliseconds() or issued_until <= self._issued_until.get(subject, -1):
            return False
        self._issued_until[subject] = issued_until
        heapq.heappush(self._expiries, (expires_at, subject, issued_until))
        return True

    def is_revoked(self, claims: Claims) -> bool:
        """Whether a token with these claims is refused."""
        if self._of_every_session and self._is_revoked_with_every_session(claims):
            return True
        revoked = self._issued_until
        if not revoked:
            return False
        issued_at = claims.issued_at_milliseconds
        return issued_at <= revoked.get(claims.user_id, -1) or (
            claims.session_id is not None and issued_at <= revoked.get(claims.session_id, -1)
        )

    def _apply_to_every_session(self, revoked: TokensRevoked) -> bool:
        now = _now_milliseconds()
        added = _OfEverySession(
            revoked.issued_until_milliseconds, revoked.kept_session_id, revoked.expires_at_milliseconds
        )
        known = [each for each in self._of_every_session if each.expires_at > now]
        is_unknown = added.expires_at > now and added not in known
        self._of_every_session = [*known, added] if is_unknown else known
        return is_unknown

    def _is_revoked_with_every_session(self, claims: Claims) -> bool:
        if claims.session_id is None:
            return False
        session_id = str(claims.session_id)
        return any(
            claims.issued_at_milliseconds <= each.issued_until and session_id != each.kept_session_id
            for each in self._of_every_session
        )

    def _expire(self) -> None:
        now = _now_milliseconds()
        while self._expiries and self._expiries[0][0] <= now:
            _, subject, issued_until = heapq.heappop(self._expiries)
            # A later revocation of the same subject has an expiry of its own.
            if self._issued_until.get(subject) == issued_until:
                del self._issued_until[subject]


def _reaches_too_far(revoked: TokensRevoked) -> bool:
    """Whether a revocation would refuse tokens issued in the future, or for longer than tokens live."""
    now = _now_milliseconds()
    return (
        revoked.issued_until_milliseconds > now + _SKEW_MILLISECONDS
        or revoked.expires_at_milliseconds > now + LIFETIME_MILLISECONDS_MAX
    )


def _now_milliseconds() -> int:
    return time.time_ns() // 1_000_000
