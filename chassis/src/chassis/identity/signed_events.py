"""Signs events and verifies them: the signature, the source's right to publish that type, and the time.

The protos declare which service may publish what (`spoken_by`). Access to Redis, or being another service,
does not suffice to forge an event; a replayed event changes nothing, since consumers are idempotent.
"""

import time
from collections.abc import Mapping
from functools import cache
from uuid import UUID

import structlog
from prometheus_client import Counter
from vestibule.api.v1 import options_pb2
from vestibule.events.v1.events_pb2 import Event

from chassis.clock import CLOCK_SKEW
from chassis.identity.service_keys import ServiceKeys

log = structlog.get_logger()

PURPOSE = "event"

SKEW_SECONDS = CLOCK_SKEW.total_seconds()

AGE_SECONDS_MAX = 14 * 24 * 60 * 60.0
"""How old an event may be: an outbox keeps unpublished events during a long outage of Redis."""

EVENT_BYTES_MAX = 64 * 1024

_LOG_EVERY_SECONDS = 60.0

_REFUSED = Counter(
    "events_refused_total",
    "Refused events: wrongly signed, of a type their source may not publish, out of time, malformed.",
    ["reason"],
)

# An alert on an increase sees the first refusal only if the series already exists.
for _reason in ("malformed", "unsigned", "signature", "source", "future", "old"):
    _REFUSED.labels(_reason)


class EventRefused(Exception):
    """An event is refused.

    Attributes:
        reason: `malformed`, `unsigned`, `signature`, `source`, `future` or `old`.
        authentic: Whether its source signed it, so that it is a bug and not a forgery.
    """

    def __init__(self, reason: str, *, authentic: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.authentic = authentic


def sign_event(keys: ServiceKeys, payload: bytes) -> bytes:
    """Returns this service's signature of an event's bytes."""
    return keys.sign(PURPOSE, payload)


def verify_event(keys: ServiceKeys, payload: bytes | None, signature: bytes | None) -> Event:
    """Returns a verified event.

    Cheap checks come first: a million forgeries should not cost a million signature verifications.

    Args:
        keys: The trusted services.
        payload: The bytes of an `Event`.
        signature: By its source; None is accepted only while the last release is.

    Raises:
        EventRefused: the event is not valid.
    """
    event = _parsed(payload)
    kind = event.WhichOneof("payload")
    if event.source not in (keys.services if kind is None else publishers()[kind]):
        raise EventRefused("source")
    if signature is None:
        if keys.shared_key is None:
            raise EventRefused("unsigned")
    elif not keys.is_signed_by(event.source, PURPOSE, payload or b"", signature):
        raise EventRefused("signature")
    _check_form(event, authentic=signature is not None)
    return event


def _parsed(payload: bytes | None) -> Event:
    if payload is None or len(payload) > EVENT_BYTES_MAX:
        raise EventRefused("malformed")
    try:
        return Event.FromString(payload)
    except Exception as error:
        raise EventRefused("malformed") from error


def _check_form(event: Event, *, authentic: bool) -> None:
    try:
        UUID(event.event_id)
        occurred_at = event.occurred_at.ToMilliseconds() / 1000
    except ValueError as error:
        raise EventRefused("malformed", authentic=authentic) from error
    now = time.time()
    if occurred_at > now + SKEW_SECONDS:
        raise EventRefused("future", authentic=authentic)
    if occurred_at < now - AGE_SECONDS_MAX:
        raise EventRefused("old", authentic=authentic)


@cache
def publishers() -> Mapping[str, frozenset[str]]:
    """Returns the services that may publish each member of the payload, as the protos declare."""
    return {
        member.name: frozenset(member.GetOptions().Extensions[options_pb2.spoken_by])
        for member in Event.DESCRIPTOR.oneofs_by_name["payload"].fields
    }


class RefusalLog:
    """Counts refused events, and logs each reason at most once per minute."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def note(self, refused: EventRefused, origin: str) -> None:
        """Records a refused event.

        Args:
            refused: The refusal.
            origin: Where the event came from, such as its entry's id.
        """
        reason = refused.reason
        _REFUSED.labels(reason).inc()
        now = time.monotonic()
        if now - self._logged_at.get(reason, float("-inf")) < _LOG_EVERY_SECONDS:
            self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
            return
        self._logged_at[reason] = now
        log.warning(
            "event refused",
            reader=self._reader,
            reason=reason,
            origin=origin,
            more_since=self._unlogged.pop(reason, 0),
        )
