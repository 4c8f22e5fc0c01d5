"""The consumer: one group per service; each event is handled in order, until it succeeds.

Events that their source has not signed are skipped. An event that cannot be handled becomes a dead letter
after a few attempts, so that later ones are handled (`chassis.events.dead_letters`).

Delivery is at least once, so handlers must be idempotent: they fetch the current state and make theirs
equal. Events that a crashed instance left unfinished are claimed by another. When the stream is lost, the
group is created again and handles what the relays publish again.
"""

import asyncio
import contextvars
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from time import monotonic

import hiredis
import structlog
from prometheus_client import Counter, Gauge, Histogram
from structlog.contextvars import bound_contextvars
from vestibule.events.v1.events_pb2 import Event

from chassis import ticks
from chassis.backoff import Backoff
from chassis.events import claims, dead_letters, spans, stream
from chassis.grpc.call import Call, enter
from chassis.identity.caller import Caller
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import EventRefused, RefusalLog, verify_event
from chassis.ids import uuid7
from chassis.redis import explain
from chassis.redis_connection import FAILURES, RedisConnection, open_connection
from chassis.tracing import traces

log = structlog.get_logger()

Handler = Callable[[Event], Awaitable[None]]
Audit = Callable[[str, Mapping[str, str]], Awaitable[None]]
"""Takes an action, `events.dead_letter` or `events.refused`, and its details."""

BATCH = 64
BLOCK_SECONDS = 5.0
CLAIM_EVERY_SECONDS = 10.0
RELEASE_SECONDS = 1.0
REPORT_EVERY_SECONDS = 10 * 60.0
"""How often refused events are audited, per reason: there may be a million of them."""

_FIRST = b"0-0"

HANDLED = Counter("events_handled_total", "Events handled successfully.", ["type"])
RETRIED = Counter("events_retried_total", "Attempts to handle an event that failed.", ["type"])
LAG = Histogram(
    "events_lag_seconds",
    "From an event's commit to the end of its handling.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0),
)
BLOCKED = Gauge("events_blocked", "1 while an event is being retried.")
DEAD = Counter("events_dead_lettered_total", "Events put aside because they could not be handled.", ["type"])
DEAD_LETTERS = Gauge("events_dead_letters", "Dead letters that wait for an operator to requeue or drop them.")
UNHANDLED = Gauge(
    "events_unhandled",
    "Events on the stream that no instance of the service has handled yet.",
)


class Consumer:
    """Handles the stream's events for one service.

    Args:
        group: The service's name; its instances share the work.
        handlers: The handler for each member of the event's `payload`, such as `user_changed`. Events
            without a handler are skipped.
        keys: The trusted services.
        redis_url: The stream's Redis.
        audit: Writes an audit entry when an event becomes a dead letter or is refused.
        claim_after_seconds: How long an instance may hold an event without a sign of life before another
            claims it. Retrying is a sign of life, and so is the end of an event before it.
    """

    def __init__(
        self,
        *,
        group: str,
        handlers: Mapping[str, Handler],
        keys: ServiceKeys,
        redis_url: str,
        audit: Audit | None = None,
        claim_after_seconds: float = 5.0,
    ) -> None:
        self._group = group
        self._handlers = dict(handlers)
        unknown = set(self._handlers) - {
            field.name for field in Event.DESCRIPTOR.oneofs_by_name["payload"].fields
        }
        if unknown:
            raise ValueError(f"no such events: {sorted(unknown)}")
        # An alert on an increase sees the first one only if the count stood at 0 before.
        for kind in self._handlers:
            DEAD.labels(kind)
        self._keys = keys
        self._refusals = RefusalLog(group)
        self._reported: dict[str, float] = {}
        self._audit = audit
        self._redis_url = redis_url
        self._claim_after_seconds = claim_after_seconds
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid7().hex[-6:]}"
        self._claimed_at = float("-inf")

    async def run(self) -> None:
        """Consumes until cancelled. Retries through outages; logs only their start and end."""
        backoff = Backoff(limit_seconds=2.0)
        failing = False
        while True:
            try:
                async with self._connection(BLOCK_SECONDS + ticks.LATE_SECONDS_MAX + 1.0) as redis:
                    BLOCKED.set(0)  # Another instance may have taken over what was being retried.
                    await self._ensure_group(redis)
                    while True:
                        await self._turn(redis)
                        backoff.reset()
                        if failing:
                            log.info("event consumer recovered", group=self._group)
                            failing = False
            except FAILURES as error:
                if not failing and not _is_no_group(error):
                    log.warning("event consumer stalled; retrying", group=self._group, error=explain(error))
                    failing = True
            except asyncio.CancelledError:
                await self._release()
                raise
            await backoff.pause()

    def _connection(self, timeout_seconds: float) -> AbstractAsyncContextManager[RedisConnection]:
        return open_connection(self._redis_url, timeout_seconds=timeout_seconds, client_name=self._group)

    async def _release(self) -> None:
        """On shutdown: makes this instance's unfinished events claimable at once."""
        with suppress(*FAILURES):
            # The connection of `run` may have been given up while it waited for a reply.
            async with self._connection(RELEASE_SECONDS) as redis:
                await claims.release(redis, self._group, self._name)

    async def _ensure_group(self, redis: RedisConnection) -> None:
        (created,) = await redis.try_all(("XGROUP", "CREATE", stream.STREAM, self._group, "0", "MKSTREAM"))
        if not isinstance(created, hiredis.ReplyError):
            log.info("consumer group created", group=self._group)
        elif "BUSYGROUP" not in str(created):
            raise created
        # First the events that were delivered here on a connection that broke.
        await self._handle_own_pending(redis)

    async def _handle_own_pending(self, redis: RedisConnection) -> None:
        while entries := await self._read(redis, "0"):
            await self._handle_all(redis, entries)

    async def _turn(self, redis: RedisConnection) -> None:
        if monotonic() - self._claimed_at > CLAIM_EVERY_SECONDS:
            await self._claim(redis)
            await self._count(redis)
            self._claimed_at = monotonic()
        block_milliseconds = int(ticks.about(BLOCK_SECONDS) * 1000)
        await self._handle_all(redis, await self._read(redis, ">", "BLOCK", block_milliseconds))

    async def _read(self, redis: RedisConnection, after: str, *options: str | int) -> list[stream.Entry]:
        """Returns the next entries: new ones after `>`, this instance's unfinished ones after `0`."""
        group = ("GROUP", self._group, self._name)
        (answer,) = await redis.ask(
            ("XREADGROUP", *group, "COUNT", BATCH, *options, "STREAMS", stream.STREAM, after)
        )
        return stream.read(answer)

    async def _claim(self, redis: RedisConnection) -> None:
        """Claims the events of consumers without a sign of life, and deletes those without events."""
        place = (stream.STREAM, self._group)
        start = _FIRST
        idle = int(self._claim_after_seconds * 1000)
        while True:
            (answer,) = await redis.ask(("XAUTOCLAIM", *place, self._name, idle, start, "COUNT", BATCH))
            start, claimed, *_ = answer
            await self._handle_all(redis, stream.entries(claimed))
            if start == _FIRST:
                break
        (consumers,) = await redis.ask(("XINFO", "CONSUMERS", *place))
        for consumer in map(stream.pairs, consumers):
            if consumer[b"pending"] == 0 and consumer[b"idle"] > 3600_000:  # noqa: PLR2004 - an hour
                await redis.ask(("XGROUP", "DELCONSUMER", *place, consumer[b"name"]))

    async def _count(self, redis: RedisConnection) -> None:
        """Counts unhandled events; if Redis cannot count them, the last count stays."""
        (groups,) = await redis.ask(("XINFO", "GROUPS", stream.STREAM))
        for group in map(stream.pairs, groups):
            if group[b"name"] == self._group.encode() and group.get(b"lag") is not None:
                UNHANDLED.set(group[b"lag"] + group[b"pending"])
        DEAD_LETTERS.set(await dead_letters.count(redis, self._group))

    async def _handle_all(self, redis: RedisConnection, entries: list[stream.Entry]) -> None:
        unsigned: list[bytes] = []
        renewed_at = monotonic()
        for position, (identifier, fields) in enumerate(entries):
            if monotonic() - renewed_at > self._claim_after_seconds / 2:
                # Between events, not beside them: what a handler that hangs holds is to be claimed.
                await claims.renew(redis, self._group, self._name, [later for later, _ in entries[position:]])
                renewed_at = monotonic()
            try:
                event = verify_event(self._keys, fields.get(stream.FIELD), fields.get(stream.SIGNATURE))
            except EventRefused as refused:
                await self._refuse(redis, refused, identifier, fields)
                if not refused.authentic:  # There may be thousands; refused again, they leave nothing.
                    unsigned.append(identifier)
                    continue
            else:
                await self._handle(redis, event, fields, [later for later, _ in entries[position:]])
            await redis.ask(("XACK", stream.STREAM, self._group, identifier))
        if unsigned:
            await redis.ask(("XACK", stream.STREAM, self._group, *unsigned))

    async def _refuse(
        self, redis: RedisConnection, refused: EventRefused, identifier: bytes, fields: dict[bytes, bytes]
    ) -> None:
        """Skips an event; keeps it as a dead letter if its source did sign it."""
        reason = refused.reason
        self._refusals.note(refused, identifier.decode())
        if refused.authentic:
            await self._dead_letter(redis, fields, kind="refused", reason=reason, tries=1)
        if monotonic() - self._reported.get(reason, float("-inf")) < REPORT_EVERY_SECONDS:
            return
        self._reported[reason] = monotonic()
        await dead_letters.note_refused(redis, self._group, reason)
        if self._audit is not None and not refused.authentic:
            with suppress(Exception):
                await self._audit("events.refused", {"reason": reason, "entry": identifier.decode()})

    async def _dead_letter(
        self, redis: RedisConnection, fields: dict[bytes, bytes], *, kind: str, reason: str, tries: int
    ) -> None:
        """Makes an event a dead letter, and audits that."""
        await dead_letters.add(redis, self._group, fields, reason=reason, tries=tries)
        DEAD.labels(kind).inc()
        DEAD_LETTERS.set(await dead_letters.count(redis, self._group))
        if self._audit is None:
            return
        try:
            await self._audit("events.dead_letter", {"type": kind, "reason": reason})
        except Exception as error:
            log.warning("dead letter not audited", exc_info=error)

    async def _call(self, handler: Handler, event: Event, kind: str) -> None:
        """Calls a handler within a span of the trace that the event came from."""
        attributes = spans.attributes(event) | {"messaging.consumer.group.name": self._group}
        with traces.followed(f"process {kind}", "CONSUMER", event.traceparent, attributes):
            await handler(event)

    async def _handle(
        self, redis: RedisConnection, event: Event, fields: dict[bytes, bytes], waiting: list[bytes]
    ) -> None:
        """Handles one event, with as many attempts as it takes, unless it can never succeed."""
        kind = event.WhichOneof("payload") or "none"
        handler = self._handlers.get(kind)
        if handler is None:
            return
        backoff = Backoff(first_seconds=0.1, limit_seconds=min(10.0, self._claim_after_seconds / 3))
        attempt = 1
        context = contextvars.copy_context()
        # So that logs and calls caused by the event have its id and its trace.
        context.run(enter, Call(caller=Caller(request_id=event.event_id), traceparent=event.traceparent))
        with bound_contextvars(event_id=event.event_id, event_type=kind):
            while True:
                try:
                    await asyncio.create_task(self._call(handler, event, kind), context=context)
                    break
                except Exception as error:
                    RETRIED.labels(kind).inc()
                    BLOCKED.set(1)
                    if attempt & (attempt - 1) == 0:  # the 1st, 2nd, 4th, 8th…: enough to see it
                        log.warning("event not handled; retrying", attempt=attempt, exc_info=error)
                    allowed = dead_letters.tries_allowed(error)
                    if allowed is not None and attempt >= allowed:
                        log.exception("event not handled; kept as a dead letter", tries=attempt)
                        await self._dead_letter(
                            redis, fields, kind=kind, reason=dead_letters.reason_of(error), tries=attempt
                        )
                        BLOCKED.set(0)
                        return
                await backoff.pause()
                attempt += 1
                await claims.renew(redis, self._group, self._name, waiting)
                await self._count(redis)
        BLOCKED.set(0)
        HANDLED.labels(kind).inc()
        LAG.observe(max(0.0, datetime.now(UTC).timestamp() - event.occurred_at.ToMilliseconds() / 1000))


def _is_no_group(error: BaseException) -> bool:
    return isinstance(error, hiredis.ReplyError) and "NOGROUP" in str(error)
