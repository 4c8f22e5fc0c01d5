"""What auth-service said about API keys, for a minute at most and never past a revocation.

A revocation forgets instead of refusing: a person's revocation ends the tokens of their
sessions, while what it means for their keys (nothing, another role, the end) is for
auth-service to say. So no clocks are compared either: an answer that was on its way while a
revocation came in may be older than it, and is not kept.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from prometheus_client import Gauge
from vestibule.events.v1.events_pb2 import TokensRevoked

from chassis.identity.claims import Claims

REMEMBERED_SECONDS = 60.0
REMEMBERED_MAX = 10_000

_REMEMBERED = Gauge("api_keys_remembered", "API keys in memory that auth-service has judged good.")


@dataclass(frozen=True, slots=True)
class Question:
    """A question to auth-service, from before it was asked.

    Attributes:
        asked_at: By `time.monotonic()`.
        revocations: How many had come in.
    """

    asked_at: float
    revocations: int


class ApiKeyMemory:
    """Claims of good keys by the digest of the key, the least recently used forgotten first."""

    def __init__(self, *, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        self._remembered: OrderedDict[bytes, tuple[Claims, float]] = OrderedDict()
        self._revocations = 0
        _REMEMBERED.set_function(lambda: len(self._remembered))

    @property
    def revocations(self) -> int:
        """How many revocations have come in: what was asked before the last one may be out of date."""
        return self._revocations

    def recall(self, digest: bytes) -> Claims | None:
        """Returns what is known about a key; None when auth-service must be asked."""
        found = self._remembered.get(digest)
        if found is None:
            return None
        claims, until = found
        if time.monotonic() >= until:
            del self._remembered[digest]
            return None
        self._remembered.move_to_end(digest)
        return claims

    def begin(self) -> Question:
        """Returns what `keep` needs to know; to be called before auth-service is asked."""
        return Question(time.monotonic(), self._revocations)

    def keep(self, question: Question, digest: bytes, claims: Claims, *, good_for_seconds: float) -> None:
        """Remembers an answer, unless a revocation came in since the question.

        Not that a second factor has to be set up first: that is over as soon as it is, and no
        revocation says so.

        Args:
            question: From before it was asked.
            digest: The key's.
            claims: What auth-service said.
            good_for_seconds: How long the key was going to live when auth-service said so.
        """
        if question.revocations != self._revocations or claims.must_enrol:
            return
        until = question.asked_at + min(REMEMBERED_SECONDS, good_for_seconds)
        self._remembered[digest] = (claims, until)
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)

    def forget(self, revoked: TokensRevoked) -> None:
        """Forgets the key or the person's keys that a revocation names."""
        if revoked.every_session:
            return  # Keys go on.
        self._revocations += 1
        if not self._remembered:
            return
        try:
            subject = UUID(revoked.session_id or revoked.user_id)
        except ValueError:
            self._remembered.clear()
            return
        gone = [
            digest
            for digest, (claims, _) in self._remembered.items()
            if subject in (claims.token_id, claims.user_id)
        ]
        for digest in gone:
            del self._remembered[digest]

    def forget_all(self) -> None:
        """Forgets everything: revocations may have been missed."""
        self._revocations += 1
        self._remembered.clear()
