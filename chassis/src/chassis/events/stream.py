"""The stream that all events travel on: its key, its entries and its time."""

from redis.exceptions import ResponseError
from vestibule.events.v1.events_pb2 import Event

STREAM = "vestibule:events"
FIELD = b"event"
SIGNATURE = b"signature"
RETENTION_SECONDS = 24 * 60 * 60

_AHEAD_MILLISECONDS_MAX = 60 * 60 * 1000
"""More than Redis' clock may have been set back by."""

Entry = tuple[bytes, dict[bytes, bytes]]


def span_attributes(event: Event) -> dict[str, str | int | float | bool]:
    """Returns what spans about an event's way say of it."""
    return {
        "messaging.system": "redis",
        "messaging.destination.name": STREAM,
        "messaging.message.id": event.event_id,
    }


def is_ahead(identifier: str, now: int) -> bool:
    """Whether an entry's id is of no time that Redis' clock, at `now` milliseconds, has been near."""
    return order(identifier)[0] > now + _AHEAD_MILLISECONDS_MAX


def is_exhausted(error: ResponseError) -> bool:
    """Whether a stream takes nothing more because an entry has the last possible id."""
    return "exhausted the last possible" in str(error)


def entry_id(milliseconds: int) -> str:
    """Returns the id before all entries of that Unix time."""
    return f"{milliseconds}-0"


def order(identifier: bytes | str) -> tuple[int, int]:
    """Returns an entry's id as numbers, which compare as the ids do."""
    text = identifier.decode() if isinstance(identifier, bytes) else identifier
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def entries(answer: object, key: str = STREAM) -> list[Entry]:
    """Returns the entries of one stream in an XREAD or XREADGROUP answer, in RESP2 or RESP3."""
    if not answer:
        return []
    if isinstance(answer, dict):
        return [entry for chunk in answer.get(key.encode(), []) for entry in chunk]
    if isinstance(answer, list):
        return [entry for name, found in answer if name == key.encode() for entry in found]
    raise TypeError("unknown answer to XREAD")
