"""The events that a call has committed, here and in the services it called.

They travel back with the answer in `vestibule-events-bin`, so that whoever asked sees its
own change at once. The stream delivers the same events to everybody else. Each is signed by
the service that committed it: the services between can pass it on and cannot make one up.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from vestibule.events.v1.events_pb2 import Event, EventBatch, SignedEvent

from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import EventRefused, RefusalLog, sign_event, verify_event
from chassis.ids import uuid7

EVENTS_KEY = "vestibule-events-bin"
# Metadata is bounded by gRPC (8 KiB soft, 16 KiB hard); what does not fit comes by the stream.
BATCH_BYTES_MAX = 6_000
_SIGNATURE_BYTES = 80


@dataclass(frozen=True, slots=True)
class Committed:
    """An event of this call.

    Attributes:
        event: What was committed.
        signed: As another service has signed it; None for this service's own.
    """

    event: Event
    signed: SignedEvent | None = None


_events: ContextVar[list[Committed] | None] = ContextVar("committed_events", default=None)
_refusals = RefusalLog("answers")


def collect() -> list[Committed]:
    """Starts a fresh list for the rest of this task and returns it."""
    events: list[Committed] = []
    _events.set(events)
    return events


def note(event: Event) -> None:
    """Adds an event that this service has just committed; does nothing outside of calls."""
    _add(Committed(event))


def committed_events() -> list[Event]:
    """Returns what the current call has committed so far, in order."""
    return [each.event for each in _events.get() or ()]


def encode(events: list[Committed], keys: ServiceKeys) -> bytes:
    """Returns the events as metadata, as many of them as it may hold; signs this service's own."""
    batch = EventBatch()
    # The last release reads events without their signatures, and sends none.
    speaks_to_last = keys.shared_key is not None
    size = 0
    for each in events:
        event = _completed(each.event, keys)
        size += event.ByteSize() * (2 if speaks_to_last else 1) + _SIGNATURE_BYTES
        if size > BATCH_BYTES_MAX:
            break
        if each.signed is not None:
            batch.signed.append(each.signed)
        elif event.source == keys.service:
            payload = event.SerializeToString()
            batch.signed.add(event=payload, signature=sign_event(keys, payload))
        if speaks_to_last:
            batch.events.append(event)
    return batch.SerializeToString()


def note_encoded(value: str | bytes, keys: ServiceKeys) -> None:
    """Adds the events that an answer brought, as far as they are to be believed."""
    try:
        batch = EventBatch.FromString(value if isinstance(value, bytes) else value.encode())
    except DecodeError:
        return
    taken = {
        event.event_id
        for signed in batch.signed
        if (event := _take(signed.event, signed.signature, keys)) is not None
    }
    if keys.shared_key is not None:
        for event in batch.events:
            if event.event_id not in taken:
                _take(event.SerializeToString(), None, keys)


def _take(payload: bytes, signature: bytes | None, keys: ServiceKeys) -> Event | None:
    """Adds an event when it is to be believed, and returns it."""
    try:
        event = verify_event(keys, payload, signature)
    except EventRefused as refused:
        _refusals.note(refused, "an answer")
        return None
    _add(Committed(event, None if signature is None else SignedEvent(event=payload, signature=signature)))
    return event


def _add(committed: Committed) -> None:
    events = _events.get()
    if events is not None:
        events.append(committed)


def _completed(event: Event, keys: ServiceKeys) -> Event:
    """Returns an event with what the outbox would have filled in."""
    if event.source and event.event_id:
        return event
    whole = Event()
    whole.CopyFrom(event)
    whole.source = whole.source or keys.service
    whole.event_id = whole.event_id or str(uuid7())
    if not whole.HasField("occurred_at"):
        whole.occurred_at.GetCurrentTime()
    return whole
