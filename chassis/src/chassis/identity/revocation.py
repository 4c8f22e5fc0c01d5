"""The revocations in force, in memory: checking a token is two look-ups."""

import heapq
import time
from uuid import UUID

import structlog
from prometheus_client import Gauge
from vestibule.events.v1.events_pb2 import TokensRevoked

from chassis.identity.claims import Claims

log = structlog.get_logger()

_IN_FORCE = Gauge(
    "revocations_in_force", "Sessions and persons whose tokens are refused, as this process knows."
)


class RevocationSet:
    """Which sessions' and persons' tokens are refused, and up to which time of issue.

    An entry goes when the last token that it concerns has expired by itself. Applying a
    revocation twice, late or out of order changes nothing.
    """

    def __init__(self) -> None:
        self._issued_until: dict[UUID, int] = {}
        self._expiries: list[tuple[int, UUID, int]] = []
        _IN_FORCE.set_function(self.__len__)

    def __len__(self) -> int:
        """Returns how many sessions and persons are concerned."""
        return len(self._issued_until)

    def apply(self, revoked: TokensRevoked) -> None:
        """Takes in one revocation. One that makes no sense is logged and left out."""
        try:
            subject = UUID(revoked.session_id or revoked.user_id)
        except ValueError:
            log.warning("revocation ignored: it names nobody")
            return
        self._expire()
        issued_until, expires_at = revoked.issued_until_milliseconds, revoked.expires_at_milliseconds
        if expires_at <= _now_milliseconds() or issued_until <= self._issued_until.get(subject, -1):
            return
        self._issued_until[subject] = issued_until
        heapq.heappush(self._expiries, (expires_at, subject, issued_until))

    def is_revoked(self, claims: Claims) -> bool:
        """Whether a token with these claims is refused."""
        revoked = self._issued_until
        if not revoked:
            return False
        issued_at = claims.issued_at_milliseconds
        return issued_at <= revoked.get(claims.user_id, -1) or (
            claims.session_id is not None and issued_at <= revoked.get(claims.session_id, -1)
        )

    def _expire(self) -> None:
        now = _now_milliseconds()
        while self._expiries and self._expiries[0][0] <= now:
            _, subject, issued_until = heapq.heappop(self._expiries)
            # A later revocation of the same subject has an expiry of its own.
            if self._issued_until.get(subject) == issued_until:
                del self._issued_until[subject]


def _now_milliseconds() -> int:
    return time.time_ns() // 1_000_000
