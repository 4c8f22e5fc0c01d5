"""Spans of an event, in the trace of the call that caused it: its publication and its handling."""

from datetime import datetime

from vestibule.events.v1.events_pb2 import Event

from chassis.events.stream import STREAM
from chassis.tracing import traces


def attributes(event: Event) -> dict[str, str | int | float | bool]:
    """Returns the attributes of every span about an event."""
    return {
        "messaging.system": "redis",
        "messaging.destination.name": STREAM,
        "messaging.message.id": event.event_id,
    }


def record_publication(payload: bytes, created_at: datetime, started_ns: int, ended_ns: int) -> None:
    """Records that the relay put an event on the stream, and how long it had waited in the outbox."""
    event = Event.FromString(payload)
    if not traces.is_recorded(event.traceparent):
        return
    waited_seconds = started_ns / 1e9 - created_at.timestamp()
    ours = traces.record(
        f"publish {event.WhichOneof('payload')}",
        "PRODUCER",
        event.traceparent,
        started_ns=started_ns,
        ended_ns=ended_ns,
        attributes=attributes(event) | {"vestibule.outbox.waited_seconds": waited_seconds},
    )
    command = {"db.system.name": "redis", "db.operation.name": "XADD"}
    traces.record("XADD", "CLIENT", ours, started_ns=started_ns, ended_ns=ended_ns, attributes=command)


def record_handling(event: Event, started_ns: int) -> None:
    """Records that a reader of the stream applied an event to its state."""
    traces.record(
        f"handle {event.WhichOneof('payload') or 'tags'}",
        "CONSUMER",
        event.traceparent,
        started_ns=started_ns,
        attributes=attributes(event),
        links=(event.traceparent,),
    )
