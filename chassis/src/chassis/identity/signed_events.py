"""Events that are believed: signed by their source, about its own matters, with times in bounds.

Which service may speak of what stands in the protos (`spoken_by`). Whoever reaches Redis, or is another
service, cannot make one up; an event that is sent again changes nothing, for consumers are idempotent.
"""

import time
from collections.abc import Mapping
from functools import cache
from uuid import UUID

import structlog
from prometheus_client import Counter
from vestibule.api.v1 import options_pb2
from vestibule.events.v1.events_pb2 import Event

from chassis.identity.service_keys import ServiceKeys

log = structlog.get_logger()

PURPOSE = "event"

SKEW_SECONDS = 30.0
"""How far the clocks of two services may differ."""

AGE_SECONDS_MAX = 14 * 24 * 60 * 60.0
"""How old an event may be: an outbox keeps what it could not publish, over a long outage of Redis too."""

EVENT_BYTES_MAX = 64 * 1024

_LOG_EVERY_SECONDS = 60.0

_REFUSED = Counter(
    "events_refused_total",
    "Events that were not believed: unsigned, badly signed, of another's matter, out of time or malformed.",
    ["reason"],
)

# An alert on an increase sees the first refusal only if the count stood at 0 before.
for _reason in ("malformed", "unsigned", "signature", "source", "future", "old"):
    _REFUSED.labels(_reason)


class EventRefused(Exception):
    """An event is not believed.

    Attributes:
        reason: `malformed`, `unsigned`, `signature`, `source`, `future` or `old`.
        authentic: Whether its source signed it, so that it is a fault of ours and no forgery.
    """

    def __init__(self, reason: str, *, authentic: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.authentic = authentic


def sign_event(keys: ServiceKeys, payload: bytes) -> bytes:
    """Returns this service's signature of an event's bytes."""
    return keys.sign(PURPOSE, payload)


def verify_event(keys: ServiceKeys, payload: bytes | None, signature: bytes | None) -> Event:
    """Returns the event that the bytes hold.

    What is cheap to see is seen first: a million forgeries should not cost a million verifications.

    Args:
        keys: Whom to believe.
        payload: The bytes of an `Event`.
        signature: By its source; None is believed only while the last release is spoken to.

    Raises:
        EventRefused: it is not to be believed.
    """
    event = _parsed(payload)
    kind = event.WhichOneof("payload")
    if event.source not in (keys.services if kind is None else speakers()[kind]):
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
def speakers() -> Mapping[str, frozenset[str]]:
    """Returns who may speak of what, by the names of the payload's members, as the protos say."""
    return {
        member.name: frozenset(member.GetOptions().Extensions[options_pb2.spoken_by])
        for member in Event.DESCRIPTOR.oneofs_by_name["payload"].fields
    }


class RefusalLog:
    """Counts refused events, and logs each reason once a minute, however many there are."""

    def __init__(self, reader: str) -> None:
        self._reader = reader
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def note(self, refused: EventRefused, origin: str) -> None:
        """Notes a refused event.

        Args:
            refused: Why.
            origin: Where it came from, such as the id of its entry.
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
