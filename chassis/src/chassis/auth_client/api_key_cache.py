"""auth-service's answers about API keys, for a minute at most and never past a revocation.

A revocation evicts instead of refusing: revoking a user's sessions may leave the user's keys alone, give
them another role or end them, and only auth-service knows which. So no clocks are compared either: an
answer that was under way while a revocation arrived may be older than it, and is not cached.
"""

import time
from collections import OrderedDict
from uuid import UUID

from prometheus_client import Gauge
from vestibule.events.v1.events_pb2 import TokensRevoked

from chassis.dataclass import dataclass
from chassis.identity.claims import Claims

CACHED_SECONDS = 60.0
ENTRIES_MAX = 10_000

_ENTRIES = Gauge("api_keys_remembered", "API keys in memory that auth-service has accepted.")


@dataclass(frozen=True, slots=True)
class Lookup:
    """When auth-service was asked about a key.

    Attributes:
        asked_at: By `time.monotonic()`, before the call.
        revocations: How many revocations had arrived.
    """

    asked_at: float
    revocations: int


class ApiKeyCache:
    """Claims of good keys by the key's digest; evicts the least recently used."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._entries: OrderedDict[bytes, tuple[Claims, float]] = OrderedDict()
        self._revocations = 0
        _ENTRIES.set_function(lambda: len(self._entries))

    @property
    def revocations(self) -> int:
        """How many revocations have arrived: an answer asked for before the last may be out of date."""
        return self._revocations

    def get(self, digest: bytes) -> Claims | None:
        """Returns a key's claims; None when auth-service must be asked."""
        found = self._entries.get(digest)
        if found is None:
            return None
        claims, until = found
        if time.monotonic() >= until:
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return claims

    def begin(self) -> Lookup:
        """Returns what `put` needs; call it before auth-service is asked."""
        return Lookup(time.monotonic(), self._revocations)

    def put(self, lookup: Lookup, digest: bytes, claims: Claims, *, expires_in_seconds: float) -> None:
        """Caches an answer, unless a revocation arrived since the lookup began.

        Claims that demand enrolment of a second factor are not cached: enrolment ends the demand at
        once, without a revocation.

        Args:
            lookup: From `begin`.
            digest: The key's.
            claims: auth-service's answer.
            expires_in_seconds: The key's remaining lifetime when auth-service answered.
        """
        if lookup.revocations != self._revocations or claims.must_enrol:
            return
        until = lookup.asked_at + min(CACHED_SECONDS, expires_in_seconds)
        self._entries[digest] = (claims, until)
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)

    def evict(self, revoked: TokensRevoked) -> None:
        """Evicts the key, or the user's keys, that a revocation names."""
        if revoked.every_session:
            return  # It does not concern keys.
        self._revocations += 1
        if not self._entries:
            return
        try:
            subject = UUID(revoked.session_id or revoked.user_id)
        except ValueError:
            self._entries.clear()
            return
        for digest, (claims, _) in list(self._entries.items()):
            if subject in (claims.token_id, claims.user_id):
                del self._entries[digest]

    def clear(self) -> None:
        """Evicts all keys: revocations may have been missed."""
        self._revocations += 1
        self._entries.clear()
