"""Dead letters: events that a service could not handle, set aside so that later ones are handled.

They are in a Redis stream per consumer group, which holds the latest thousand. An operator lists them,
requeues them once the cause is fixed, or drops them: `python -m <service> events`. When Redis loses them,
the relays publish the events of the last 24 hours again.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import hiredis
from asyncpg import InterfaceError, PostgresError
from google.protobuf.message import DecodeError
from vestibule.events.v1.events_pb2 import Event

from chassis.dataclass import dataclass
from chassis.errors import Kind, ServiceError
from chassis.events import stream
from chassis.redis_connection import RedisConnection

KEPT_MAX = 1_000

PERMANENT_TRIES = 5
"""Attempts for errors that should not pass: the state they need may still be under way."""

UNEXPECTED_TRIES = 20
"""Attempts for unexpected errors, mostly bugs; with back-off they take half a minute."""

REFUSED_SECONDS = 15 * 60
"""How long monitoring can see that a service has refused events."""

_REASON = b"reason"
_TRIES = b"tries"

_DIGITS_MAX = 10
_LATEST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())

_PERMANENT = frozenset({Kind.INVALID, Kind.NOT_FOUND, Kind.ALREADY_EXISTS, Kind.PRECONDITION})
_UNEXPECTED = frozenset({Kind.INTERNAL})


def key(group: str) -> str:
    """Returns the Redis key of a consumer group's dead letters."""
    return f"vestibule:dead-letters:{group}"


def refused_key(group: str) -> str:
    """Returns the Redis key that exists for a while after a consumer group has refused events."""
    return f"vestibule:refused-events:{group}"


def tries_allowed(error: Exception) -> int | None:
    """Returns the number of attempts for an event that fails with an error; None for unlimited.

    Unlimited if a dependency is unreachable, full or refuses access: the event is not the cause.
    """
    if isinstance(error, ServiceError):
        if error.kind in _PERMANENT:
            return PERMANENT_TRIES
        return UNEXPECTED_TRIES if error.kind in _UNEXPECTED else None
    if isinstance(error, OSError | TimeoutError | hiredis.HiredisError | PostgresError | InterfaceError):
        return None
    return PERMANENT_TRIES if isinstance(error, ValueError) else UNEXPECTED_TRIES


def reason_of(error: Exception) -> str:
    """Returns why handling failed, without any data of the event."""
    return error.reason if isinstance(error, ServiceError) else type(error).__name__


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was set aside.

    Attributes:
        letter_id: Its id among the dead letters.
        at: When it was set aside.
        kind: The member of its payload, such as `user_changed`; `unreadable` when it cannot be parsed.
        event_id: Its id; empty when it cannot be parsed.
        source: The service that claims to have published it.
        reason: Why it could not be handled.
        tries: How often it was tried.
        fields: The fields of its entry on the stream.
    """

    letter_id: str
    at: datetime
    kind: str
    event_id: str
    source: str
    reason: str
    tries: int
    fields: dict[bytes, bytes]


async def add(
    redis: RedisConnection, group: str, fields: dict[bytes, bytes], *, reason: str, tries: int
) -> None:
    """Adds a dead letter; drops the oldest if there are too many."""
    letter = stream.flat(fields | {_REASON: reason, _TRIES: tries})
    await redis.ask(("XADD", key(group), "MAXLEN", "=", KEPT_MAX, "*", *letter))


async def count(redis: RedisConnection, group: str) -> int:
    """Returns how many dead letters there are."""
    (length,) = await redis.ask(("XLEN", key(group)))
    return int(length)


async def listed(redis: RedisConnection, group: str) -> list[DeadLetter]:
    """Returns all dead letters, the oldest first."""
    (found,) = await redis.ask(("XRANGE", key(group), "-", "+"))
    return [_read(identifier, fields) for identifier, fields in stream.entries(found)]


async def requeue(redis: RedisConnection, group: str, letters: Sequence[DeadLetter]) -> None:
    """Publishes events again with their signatures; every consumer group receives them again."""
    for letter in letters:
        await redis.ask(("XADD", stream.STREAM, "*", *stream.flat(letter.fields)))
        await redis.ask(("XDEL", key(group), letter.letter_id))


async def drop(redis: RedisConnection, group: str, letters: Sequence[DeadLetter]) -> None:
    """Deletes dead letters."""
    for letter in letters:
        await redis.ask(("XDEL", key(group), letter.letter_id))


async def note_refused(redis: RedisConnection, group: str, reason: str) -> None:
    """Makes visible to monitoring that events were refused just now."""
    await redis.ask(("SET", refused_key(group), f"{reason} {int(time.time())}", "EX", REFUSED_SECONDS))


def _read(identifier: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    event = Event()
    kind: str
    try:
        event.ParseFromString(fields.get(stream.FIELD, b""))
        kind = event.WhichOneof("payload") or "none"
    except DecodeError:
        kind = "unreadable"
    return DeadLetter(
        letter_id=identifier.decode(),
        at=datetime.fromtimestamp(min(stream.order(identifier)[0] // 1000, _LATEST), UTC),
        kind=kind,
        event_id=event.event_id,
        source=event.source,
        reason=fields.get(_REASON, b"").decode(errors="replace"),
        tries=_number(fields.get(_TRIES, b"")),
        fields={name: value for name, value in fields.items() if name not in (_REASON, _TRIES)},
    )


def _number(text: bytes) -> int:
    """Returns a small number; 0 for anything else, since the text may be forged."""
    return int(text) if text.isdigit() and len(text) < _DIGITS_MAX else 0
