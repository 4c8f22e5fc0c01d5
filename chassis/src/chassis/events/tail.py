"""The tail: every process reads the whole stream, from some minutes ago on.

Used where each process keeps memory of its own: cache tags and revocations. It tells when
events may have been missed, because Redis restarted, failed over or lost the stream, and
how long ago it last heard from Redis.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, time, time_ns
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram
from redis.asyncio import Redis
from redis.exceptions import RedisError
from vestibule.events.v1.events_pb2 import Event

from chassis.backoff import Backoff
from chassis.events import heartbeat, stream
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import SKEW_SECONDS, EventRefused, RefusalLog, verify_event
from chassis.redis import explain, open_redis
from chassis.tracing import traces

log = structlog.get_logger()

BATCH = 500
BLOCK_SECONDS = 0.3
TIMEOUT_SECONDS = 0.9
BETWEEN = 50
"""So many events are taken in before the event loop gets its turn."""

HEARTBEAT_LOST_SECONDS = 2.0

LOSSES = Counter("events_tail_losses_total", "Times that events may have been missed.")
LAG = Histogram(
    "events_tail_lag_seconds",
    "From an event's commit to this process knowing of it: how late revocations and dropped answers are.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 5.0, 30.0),
)
SILENT = Gauge(
    "events_tail_silent_seconds",
    "How long ago everything on the stream had been read; from 0.8 s on tokens are introspected.",
)


class Tail:
    """Follows the stream.

    Args:
        redis_url: Where the stream is.
        client_name: Shown by CLIENT LIST.
        keys: Whom to believe: events and heartbeats that their source has not signed are passed over.
        on_event: Called with each event, in order, at least once; says whether it was any concern
            of this process. Must not raise or wait.
        on_lost: Awaited before reading on, when events may have been missed; it takes the
            present state from its source. While it fails it is tried again, and the tail
            counts as silent.
        window_seconds: How far back to begin.
        heartbeat_of: A service whose pulse tells that it holds no event back; none when empty.

    Attributes:
        caught_up: Set once everything up to now has been read, for the first time.
    """

    def __init__(
        self,
        *,
        redis_url: str,
        client_name: str,
        keys: ServiceKeys,
        on_event: Callable[[Event], bool],
        on_lost: Callable[[], Awaitable[None]],
        window_seconds: float = 15 * 60,
        heartbeat_of: str = "",
    ) -> None:
        self._redis_url = redis_url
        self._client_name = client_name
        self._keys = keys
        self._refusals = RefusalLog(client_name)
        self._on_event = on_event
        self._on_lost = on_lost
        self._window_seconds = window_seconds
        self._server = ""
        self._position = ""
        self._seen = ""
        self._heartbeat_of = heartbeat_of
        self._heartbeat_key = heartbeat.key(heartbeat_of) if heartbeat_of else ""
        self._heartbeat_position = "$"
        self._last_read = float("-inf")
        self._watermark_read = float("-inf")
        self._is_live = False
        self.caught_up = asyncio.Event()
        SILENT.set_function(lambda: self.silent_seconds)

    @property
    def last_read(self) -> float:
        """When everything up to then had been read, by `time.monotonic()`; -inf before the first time."""
        return self._last_read

    @property
    def silent_seconds(self) -> float:
        """How long ago that was; infinite before the first time."""
        return monotonic() - self._last_read

    @property
    def behind_seconds(self) -> float:
        """Since all that `heartbeat_of` had committed was read; infinite before its first heartbeat."""
        return monotonic() - (self._watermark_read if self._heartbeat_key else self._last_read)

    async def run(self) -> None:
        """Follows until cancelled. Outages are waited out; only their begin and end are logged."""
        backoff = Backoff(limit_seconds=1.0)
        failing = False
        async with open_redis(
            self._redis_url,
            client_name=self._client_name,
            timeout_seconds=TIMEOUT_SECONDS,
            single_connection=True,
            retries=0,
        ) as redis:
            while True:
                try:
                    await self._take_position(redis)
                    while True:
                        await self._turn(redis)
                        backoff.reset()
                        if failing:
                            log.info("event stream is read again", client=self._client_name)
                            failing = False
                except (RedisError, OSError) as error:
                    if not failing:
                        log.warning(
                            "event stream can't be read", client=self._client_name, error=explain(error)
                        )
                        failing = True
                except Exception:
                    log.exception("lost events could not be made up for", client=self._client_name)
                await backoff.pause()

    async def _take_position(self, redis: Redis) -> None:
        """After each connect: finds out whether this is still the stream that was read before."""
        server = str((await redis.info("server"))["run_id"])
        if not self._server:
            await self._rewind(redis)
        elif server != self._server or not await self._is_there(redis):
            await self._lose(redis)
        self._server = server

    async def _turn(self, redis: Redis) -> None:
        positions: dict[Any, Any] = {stream.STREAM: self._position}
        if self._heartbeat_key:
            positions[self._heartbeat_key] = self._heartbeat_position
        asked_at = monotonic()
        answer = await redis.xread(positions, count=BATCH, block=int(BLOCK_SECONDS * 1000))
        entries = stream.entries(answer)
        if not entries and not await self._is_there(redis):
            await self._lose(redis)
            return
        for number, (identifier, fields) in enumerate(entries, 1):
            if number % BETWEEN == 0:
                # Verifying takes time, and others wait for the event loop.
                await asyncio.sleep(0)
            self._position = self._seen = identifier.decode()
            try:
                event = verify_event(self._keys, fields.get(stream.FIELD), fields.get(stream.SIGNATURE))
            except EventRefused as refused:
                self._refusals.note(refused, self._position)
                continue
            started_ns = time_ns()
            concerned = self._on_event(event)
            if self._is_live:
                if concerned and traces.is_recorded(event.traceparent):
                    _record_taking(event, started_ns)
                LAG.observe(max(0.0, time() - event.occurred_at.ToMilliseconds() / 1000))
        if len(entries) < BATCH:
            self._is_live = True
            # What came after the question was asked may have missed the answer.
            self._last_read = asked_at
            self.caught_up.set()
            if self._heartbeat_key:
                await self._apply_heartbeats(redis, stream.entries(answer, self._heartbeat_key))

    async def _apply_heartbeats(self, redis: Redis, heartbeats: list[stream.Entry]) -> None:
        """Takes in the heartbeats that came, all events before them having been read.

        How old they are is told by Redis' clock, asked now: an entry's id is whatever its writer chose.
        """
        if heartbeats:
            self._heartbeat_position = heartbeats[-1][0].decode()
        elif self.behind_seconds > HEARTBEAT_LOST_SECONDS:
            # The key may have been made again, with ids before ours.
            self._heartbeat_position = "0-0"
        since = heartbeat.watermark(heartbeats, self._heartbeat_of, self._keys)
        if since is None:
            return
        asked_at = monotonic()
        age_seconds = (await heartbeat.now_milliseconds(redis) - since) / 1000
        if age_seconds > -SKEW_SECONDS:
            self._watermark_read = max(self._watermark_read, asked_at - max(0.0, age_seconds))

    async def _rewind(self, redis: Redis) -> None:
        seconds, microseconds = await redis.time()
        begin = seconds * 1000 + microseconds // 1000 - int(self._window_seconds * 1000)
        self._position = stream.entry_id(begin)
        self._seen = ""
        self._heartbeat_position = "$"
        # What is read again from there on says nothing about lateness.
        self._is_live = False

    async def _lose(self, redis: Redis) -> None:
        LOSSES.inc()
        log.warning("event stream was lost or restarted", client=self._client_name)
        await self._on_lost()
        await self._rewind(redis)

    async def _is_there(self, redis: Redis) -> bool:
        """Says whether the last event seen is still on the stream, or is old enough to be trimmed."""
        if not self._seen:
            return True
        if await redis.xrange(stream.STREAM, self._seen, self._seen):
            return True
        seconds, _ = await redis.time()
        return bool(stream.order(self._seen)[0] < (seconds - stream.RETENTION_SECONDS) * 1000)


def _record_taking(event: Event, started_ns: int) -> None:
    """Records that this process knows of an event, in the trace that caused it."""
    traces.record(
        f"take in {event.WhichOneof('payload') or 'tags'}",
        "CONSUMER",
        event.traceparent,
        started_ns=started_ns,
        attributes=stream.span_attributes(event),
        links=(event.traceparent,),
    )
