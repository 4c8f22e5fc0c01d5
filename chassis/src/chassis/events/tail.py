"""The tail: each process reads the whole stream, starting some minutes in the past.

For state that each process holds in memory: cache tags and revocations. It reports when events may have
been missed, because Redis restarted, failed over or lost the stream, and how long ago it read the stream.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from time import monotonic, time, time_ns

import structlog
from prometheus_client import Counter, Gauge, Histogram
from vestibule.events.v1.events_pb2 import Event

from chassis.backoff import Backoff
from chassis.events import heartbeat, spans, stream
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import SKEW_SECONDS, EventRefused, RefusalLog, verify_event
from chassis.redis import explain
from chassis.redis_connection import FAILURES, Command, RedisConnection, open_connection
from chassis.tracing import traces

log = structlog.get_logger()

BATCH = 500
BLOCK_SECONDS = 0.5
BLOCK_SECONDS_AFTER_ENTRIES = 0.25
"""Without heartbeats. A read that brought entries is known to be complete only as of its beginning, which may
be `BLOCK_SECONDS` ago; the next one ends before valid tokens would be refused."""

TIMEOUT_SECONDS = 0.9
YIELD_EVERY = 50
"""Events handled before other tasks run."""

HEARTBEAT_LOST_SECONDS = 2.0
"""After that time without heartbeats, and then as often, they are read from the first one on."""

_RUN_ID = re.compile(rb"\brun_id:(\w+)")

LOSSES = Counter("events_tail_losses_total", "Times that events may have been missed.")
LAG = Histogram(
    "events_tail_lag_seconds",
    "From an event's commit to its handling here: how late revocations and cache invalidations are.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 5.0, 30.0),
)
SILENT = Gauge(
    "events_tail_silent_seconds",
    "Since the stream was last read to its end; from 0.8 s on every token is introspected.",
)


class Tail:
    """Follows the stream.

    Args:
        redis_url: Where the stream is.
        client_name: Shown by CLIENT LIST.
        keys: The trusted services; events and heartbeats that their source has not signed are skipped.
        on_event: Called with each event, in order, at least once; returns whether it concerned this
            process. Must neither raise nor block.
        on_lost: Awaited before reading on when events may have been missed, or not published while Redis
            was away; it fetches the current state from its source. It is retried until it succeeds;
            meanwhile the tail counts as silent.
        window_seconds: How far back to start.
        heartbeat_of: The service whose heartbeat shows that all its events are on the stream; empty
            for none.

    Attributes:
        caught_up: Set when the stream has been read to its end for the first time.
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
        self._seen: str | None = None
        self._heartbeat_of = heartbeat_of
        self._heartbeat_key = heartbeat.key(heartbeat_of) if heartbeat_of else ""
        self._heartbeat_position = "$"
        self._sought_at = float("-inf")
        self._had_entries = True
        self._last_read = float("-inf")
        self._watermark = float("-inf")
        self._is_live = False
        self.caught_up = asyncio.Event()
        SILENT.set_function(lambda: self.silent_seconds)

    @property
    def last_read(self) -> float:
        """When the stream was last read to its end, by `time.monotonic()`; -inf before the first time."""
        return self._last_read

    @property
    def silent_seconds(self) -> float:
        """Since the stream was last read to its end; infinite before the first time."""
        return monotonic() - self._last_read

    @property
    def behind_seconds(self) -> float:
        """Since all that `heartbeat_of` had committed was read; infinite before its first heartbeat."""
        return monotonic() - (self._watermark if self._heartbeat_key else self._last_read)

    async def run(self) -> None:
        """Reads until cancelled. Retries through outages; logs only their start and end."""
        backoff = Backoff(limit_seconds=1.0)
        failing = False
        while True:
            try:
                async with open_connection(
                    self._redis_url, timeout_seconds=TIMEOUT_SECONDS, client_name=self._client_name
                ) as redis:
                    await self._take_position(redis)
                    while True:
                        await self._turn(redis)
                        backoff.reset()
                        if failing:
                            log.info("event stream readable again", client=self._client_name)
                            failing = False
            except FAILURES as error:
                if not failing:
                    log.warning(
                        "event stream unreadable; retrying", client=self._client_name, error=explain(error)
                    )
                    failing = True
            except Exception:
                log.exception(
                    "state could not be fetched after lost events; retrying", client=self._client_name
                )
            await backoff.pause()

    async def _take_position(self, redis: RedisConnection) -> None:
        """After each connect: checks whether this is still the stream that was read before."""
        (info,) = await redis.ask(("INFO", "server"))
        found = _RUN_ID.search(info)
        server = found[1].decode() if found else ""
        if not self._server:
            await self._rewind(redis)
        elif server != self._server or not (await stream.look(redis, self._seen))[1]:
            await self._lose(redis)
        elif self.silent_seconds > TIMEOUT_SECONDS:
            # The source could not publish either, perhaps, and may have ended since.
            await self._on_lost()
        self._server = server

    async def _turn(self, redis: RedisConnection) -> None:
        block_seconds = self._block_seconds()
        asked_at = monotonic()
        # Redis keeps the second command until the first has been answered, and answers both at once.
        answer, *seen = await redis.ask(self._read(block_seconds), *self._ask_for_seen())
        # Before what came is taken: behind a gap it would be what was read last, and hide the gap.
        if not all(seen) and not (await stream.look(redis, self._seen))[1]:
            await self._lose(redis)
            return
        entries = stream.read(answer)
        self._had_entries = answer is not None
        await self._take(entries)
        if len(entries) == BATCH:
            return
        heartbeats = stream.read(answer, self._heartbeat_key) if self._heartbeat_key else []
        looked_at = monotonic()
        if heartbeats:
            now, is_there = await stream.look(redis, self._seen)
            if not is_there:
                await self._lose(redis)
                return
            self._apply_heartbeats(heartbeats, now, looked_at)
        if not heartbeats:
            self._seek_heartbeats()
        self._is_live = True
        # Events that arrived after the request may be missing from a response, unless Redis waited for
        # events to the end, and there were none.
        self._last_read = asked_at if self._had_entries else min(asked_at + block_seconds, monotonic())
        self.caught_up.set()

    async def _take(self, entries: list[stream.Entry]) -> None:
        """Passes on what was read, but for what its source has not signed."""
        for number, (identifier, fields) in enumerate(entries, 1):
            if number % YIELD_EVERY == 0:
                # Verification is slow; other tasks need the event loop.
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
                    spans.record_handling(event, started_ns)
                LAG.observe(max(0.0, time() - event.occurred_at.ToMilliseconds() / 1000))

    def _block_seconds(self) -> float:
        late = self._heartbeat_key and self.behind_seconds > heartbeat.INTERVAL_SECONDS
        return BLOCK_SECONDS_AFTER_ENTRIES if late and self._had_entries else BLOCK_SECONDS

    def _read(self, block_seconds: float) -> Command:
        names, positions = [stream.STREAM], [self._position]
        if self._heartbeat_key:
            names.append(self._heartbeat_key)
            positions.append(self._heartbeat_position)
        block = ("BLOCK", int(block_seconds * 1000))
        return ("XREAD", "COUNT", BATCH, *block, "STREAMS", *names, *positions)

    def _ask_for_seen(self) -> list[Command]:
        """Returns the question whether the stream still has what was read last, if anything was."""
        return [("XRANGE", stream.STREAM, self._seen, self._seen)] if self._seen else []

    def _apply_heartbeats(self, heartbeats: list[stream.Entry], now: int, looked_at: float) -> None:
        """Applies heartbeats, once all events before them have been read.

        Args:
            heartbeats: What arrived.
            now: The time by Redis' clock, in milliseconds: the writer of a heartbeat chooses its id.
            looked_at: When it was asked for, by `monotonic()`.
        """
        self._heartbeat_position = heartbeats[-1][0].decode()
        since = heartbeat.watermark(heartbeats, self._heartbeat_of, self._keys)
        if since is None:
            return
        age_seconds = (now - since) / 1000
        if age_seconds > -SKEW_SECONDS:
            self._watermark = max(self._watermark, looked_at - max(0.0, age_seconds))

    def _seek_heartbeats(self) -> None:
        """Reads from the first heartbeat on when there has been none for a while.

        Their key may have been recreated, with ids before our position.
        """
        if min(self.behind_seconds, monotonic() - self._sought_at) > HEARTBEAT_LOST_SECONDS:
            self._heartbeat_position = "0-0"
            self._sought_at = monotonic()

    async def _rewind(self, redis: RedisConnection) -> None:
        self._seen = None
        now, _ = await stream.look(redis, self._seen)
        self._position = stream.entry_id(now - int(self._window_seconds * 1000))
        self._heartbeat_position = "$"
        # What is read again from there on must not count as late.
        self._is_live = False

    async def _lose(self, redis: RedisConnection) -> None:
        LOSSES.inc()
        log.warning("event stream lost or restarted; state is fetched again", client=self._client_name)
        await self._on_lost()
        await self._rewind(redis)
