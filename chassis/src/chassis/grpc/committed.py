"""The events that a call has committed, here and in the services it called.

They travel back with the answer in `vestibule-events-bin`, so that whoever asked sees its
own change at once. The stream delivers the same events to everybody else.
"""

from contextvars import ContextVar

from google.protobuf.message import DecodeError
from vestibule.events.v1.events_pb2 import Event, EventBatch

EVENTS_KEY = "vestibule-events-bin"
# Metadata is bounded by gRPC (8 KiB soft, 16 KiB hard); what does not fit comes by the stream.
BATCH_BYTES_MAX = 6_000

_events: ContextVar[list[Event] | None] = ContextVar("committed_events", default=None)


def collect() -> list[Event]:
    """Starts a fresh list for the rest of this task and returns it."""
    events: list[Event] = []
    _events.set(events)
    return events


def note(event: Event) -> None:
    """Adds an event that has just been committed; does nothing outside of calls."""
    events = _events.get()
    if events is not None:
        events.append(event)


def committed_events() -> list[Event]:
    """Returns what the current call has committed so far, in order."""
    return _events.get() or []


def encode(events: list[Event]) -> bytes:
    """Returns the events as metadata, as many of them as it may hold."""
    batch = EventBatch()
    size = 0
    for event in events:
        size += event.ByteSize() + 8
        if size > BATCH_BYTES_MAX:
            break
        batch.events.append(event)
    return batch.SerializeToString()


def note_encoded(value: str | bytes) -> None:
    """Adds the events that an answer brought; ignores what is not a batch."""
    try:
        batch = EventBatch.FromString(value if isinstance(value, bytes) else value.encode())
    except DecodeError:
        return
    for event in batch.events:
        note(event)
