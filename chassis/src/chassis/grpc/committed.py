"""The events that a call has committed, here and in the services it called.

They are returned with the response in `vestibule-events-bin`, so that the gateway that made the call applies
them at once; other processes receive them from the stream. Each is signed by the service that committed it,
so that services in between can pass it on but not forge it.
"""

from contextvars import ContextVar

from google.protobuf.message import DecodeError
from vestibule.events.v1.events_pb2 import Event, EventBatch, SignedEvent

from chassis.dataclass import dataclass
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import EventRefused, RefusalLog, sign_event, verify_event
from chassis.ids import uuid7

EVENTS_KEY = "vestibule-events-bin"
# gRPC limits metadata (8 KiB soft, 16 KiB hard); events that do not fit arrive by the stream.
BATCH_BYTES_MAX = 6_000
_SIGNATURE_BYTES = 80


@dataclass(frozen=True, slots=True)
class Committed:
    """An event of this call.

    Attributes:
        event: The event.
        signed: The event as signed by another service; None for this service's own.
    """

    event: Event
    signed: SignedEvent | None = None


_events: ContextVar[list[Committed] | None] = ContextVar("committed_events", default=None)
_refusals = RefusalLog("responses")


def collect() -> list[Committed]:
    """Starts a new list for the rest of this task and returns it."""
    events: list[Committed] = []
    _events.set(events)
    return events


def note(event: Event) -> None:
    """Adds an event that this service has just committed; does nothing outside of calls."""
    _add(Committed(event))


def committed_events() -> list[Event]:
    """Returns the events that the current call has committed so far, in order."""
    return [each.event for each in _events.get() or ()]


def own_events(keys: ServiceKeys) -> list[Event]:
    """Returns those that this service has committed itself, as they are published."""
    events = (_completed(each.event, keys) for each in _events.get() or () if each.signed is None)
    return [event for event in events if event.source == keys.service]


def encode(events: list[Committed], keys: ServiceKeys) -> bytes:
    """Returns the events as metadata, as many as fit; signs this service's own."""
    batch = EventBatch()
    # The last release reads unsigned events, and sends no signatures.
    supports_last_release = keys.shared_key is not None
    size = 0
    for each in events:
        event = _completed(each.event, keys)
        size += event.ByteSize() * (2 if supports_last_release else 1) + _SIGNATURE_BYTES
        if size > BATCH_BYTES_MAX:
            break
        if each.signed is not None:
            batch.signed.append(each.signed)
        elif event.source == keys.service:
            payload = event.SerializeToString()
            batch.signed.add(event=payload, signature=sign_event(keys, payload))
        if supports_last_release:
            batch.events.append(event)
    return batch.SerializeToString()


def note_encoded(value: str | bytes, keys: ServiceKeys) -> None:
    """Adds the events in a response, if they are authentic."""
    try:
        batch = EventBatch.FromString(value if isinstance(value, bytes) else value.encode())
    except DecodeError:
        return
    taken = {
        event.event_id
        for signed in batch.signed
        if (event := _add_verified(signed.event, signed.signature, keys)) is not None
    }
    if keys.shared_key is not None:
        for event in batch.events:
            if event.event_id not in taken:
                _add_verified(event.SerializeToString(), None, keys)


def _add_verified(payload: bytes, signature: bytes | None, keys: ServiceKeys) -> Event | None:
    """Adds an event if it is authentic, and returns it."""
    try:
        event = verify_event(keys, payload, signature)
    except EventRefused as refused:
        _refusals.note(refused, "a response")
        return None
    _add(Committed(event, None if signature is None else SignedEvent(event=payload, signature=signature)))
    return event


def _add(committed: Committed) -> None:
    events = _events.get()
    if events is not None:
        events.append(committed)


def _completed(event: Event, keys: ServiceKeys) -> Event:
    """Returns an event with the fields that the outbox would have set."""
    if event.source and event.event_id:
        return event
    whole = Event()
    whole.CopyFrom(event)
    whole.source = whole.source or keys.service
    whole.event_id = whole.event_id or str(uuid7())
    if not whole.HasField("occurred_at"):
        whole.occurred_at.GetCurrentTime()
    return whole
