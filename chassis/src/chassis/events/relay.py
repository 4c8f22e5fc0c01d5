"""The outbox relay: publishes the outbox on the stream, in order and at least once.

Every instance of a service runs one; an advisory lock elects the one that publishes. It is woken by NOTIFY,
and polls from time to time in any case; auth-service's polls more often while heartbeats are requested, and
sends one after each poll. A crash between publishing and marking publishes an event twice. When the stream
has lost entries (Redis restarted without them), those that are still in the outbox are published again. A
stream whose ids lie far in the future is deleted and started again: at the last possible id nothing more can
be added, and before it nothing would be trimmed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from time import monotonic, time_ns
from typing import Any

import hiredis
import structlog
from prometheus_client import Counter, Gauge, Histogram

from chassis import ticks
from chassis.backoff import Backoff
from chassis.events import heartbeat, spans, stream
from chassis.events.outbox import Outbox, sweep
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import sign_event
from chassis.postgres.failures import BUSY, LOST, OF_THE_DRIVER, REFUSED
from chassis.postgres.notifications import open_listening
from chassis.redis import explain
from chassis.redis_connection import FAILURES, Command, RedisConnection, open_connection
from chassis.startup_errors import sentence
from chassis.tracing import traces

log = structlog.get_logger()

BATCH = 200
TIMEOUT_SECONDS = 1.0
STAND_BY_SECONDS = 1.0
POLL_SECONDS = 4.0
"""Between two polls without heartbeats, for entries that Redis lost while it stayed connected."""

SWEEP_EVERY_SECONDS = 600.0
COUNTED_MAX = 10_000
"""Pending events are counted up to this number, to bound the cost of counting."""

VERIFY_WITHIN_HOURS = 23
"""Less than the retention, so that a trimmed entry is not considered lost."""

PUBLISHED = Counter("outbox_published_total", "Events put on the stream.")
LOST_ENTRIES = Counter(
    "outbox_lost_total", "Published events that the stream lost and that were published again."
)
PENDING = Gauge(
    "outbox_pending_events", "Events not on the stream yet, as last counted by the leading relay."
)
PENDING_AGE = Gauge("outbox_oldest_pending_seconds", "Age of the oldest event not on the stream yet.")
LEADING = Gauge("outbox_relay_leading", "1 for the instance whose relay publishes, 0 for the others.")
LATENCY = Histogram(
    "outbox_latency_seconds",
    "From writing an event (its transaction's start) to the stream.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0),
)

_FAILURES = (*LOST, *REFUSED, *BUSY, *FAILURES)


class Relay:
    """Publishes one outbox.

    Args:
        outbox: The outbox.
        keys: The service's keys; events are signed with its own.
        postgres_url: Where the outbox is.
        redis_url: Where the stream is.
        heartbeats: Whether to send heartbeats while they are requested: readers wait only for
            auth-service's.
        also_listen_to: As `open_listening` says, what else the relay's connection listens for.

    Attributes:
        leading: Whether this instance publishes.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        keys: ServiceKeys,
        postgres_url: str,
        redis_url: str,
        heartbeats: bool = False,
        also_listen_to: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        if keys.service != outbox.source:
            raise ValueError(f"the outbox is {outbox.source}'s, the keys are {keys.service}'s")
        self._outbox = outbox
        self._keys = keys
        self._table = f"{outbox.schema}.outbox"
        self._log = log.bind(schema=outbox.schema)
        self._postgres_url = postgres_url
        self._redis_url = redis_url
        self._woken = asyncio.Event()
        self._heartbeats = heartbeat.Sender(keys, self._woken.set) if heartbeats else None
        self._channels = {outbox.channel: self._woken.set, **(also_listen_to or {})}
        if self._heartbeats is not None:
            self._channels[outbox.heartbeat_channel] = self._heartbeats.request
        self._intact = False
        self._last_id: str | None = None
        self._swept_at = float("-inf")
        self._oldest: datetime | None = None
        self.leading = False
        PENDING_AGE.set_function(self._pending_age_seconds)
        LEADING.set_function(lambda: self.leading)

    async def run(self) -> None:
        """Publishes until cancelled. Retries through outages; logs each failure once, and their end."""
        backoff = Backoff(limit_seconds=1.0)
        failures: set[type[Exception]] = set()
        name = f"{self._outbox.source}-relay"
        while True:
            server = "Postgres"
            try:
                async with self._connection() as connection:
                    await self._lead(connection, announce=not failures)
                    await self._count(connection)
                    server = "Redis"
                    async with open_connection(
                        self._redis_url, timeout_seconds=TIMEOUT_SECONDS, client_name=name
                    ) as redis:
                        while True:
                            await self._turn(connection, redis)
                            backoff.reset()
                            if failures:
                                self._log.info("outbox relay recovered")
                                failures.clear()
            except _FAILURES as error:
                if type(error) not in failures:
                    # A connection that was cut is refused when it is opened again: then that is the news.
                    by_redis = server == "Redis" and not isinstance(error, OF_THE_DRIVER)
                    said = explain(error) if by_redis else f"Postgres: {sentence(error)}"
                    self._log.warning("outbox relay stalled; retrying", error=said)
                    failures.add(type(error))
                self._intact = False
            await backoff.pause()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """Opens a dedicated connection: it listens and holds a session lock."""
        name = f"{self._outbox.source}-relay"
        try:
            async with open_listening(
                self._postgres_url, application_name=name, channels=self._channels, lost=self._woken.set
            ) as connection:
                yield connection
        finally:
            self.leading = False

    async def _lead(self, connection: Any, *, announce: bool) -> None:
        """Waits until this instance leads. Within an outage, `announce` suppresses the log line."""
        key = f"relay:{self._outbox.schema}"
        take = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
        while not await connection.fetchval(take, key):
            self._set_pending(0, None)  # The leader reports what is pending.
            await asyncio.sleep(STAND_BY_SECONDS)
        self.leading = True
        self._intact = False
        if self._heartbeats is not None:
            self._heartbeats.request()  # Of the instance that led before, perhaps.
        if announce:
            self._log.info("outbox relay leads")

    async def _turn(self, connection: Any, redis: RedisConnection) -> None:
        """Publishes what is pending, then waits for more."""
        if not self._intact:
            await self._restore(connection, redis)
        since, is_there = await stream.look(redis, self._last_id)
        if not is_there:
            await self._restore(connection, redis)
        self._woken.clear()
        try:
            while await self._publish(connection, redis) == BATCH:
                pass
            is_ahead = self._last_id is not None and stream.is_ahead(self._last_id, since)
        except hiredis.ReplyError as error:
            is_ahead = stream.is_exhausted(error)
            if not is_ahead:
                raise
        if is_ahead:
            self._log.error("event stream deleted and started again: its ids lie far in the future")
            await redis.ask(("UNLINK", stream.STREAM))
            self._intact = False
            return
        is_beating = self._heartbeats is not None and await self._heartbeats.turn(redis, since)
        if monotonic() - self._swept_at > SWEEP_EVERY_SECONDS:
            await sweep(connection, self._outbox)
            self._swept_at = monotonic()
        pause_seconds = heartbeat.INTERVAL_SECONDS if is_beating else ticks.about(POLL_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_seconds):
                await self._woken.wait()
        if connection.is_closed():
            raise ConnectionResetError("the relay's connection to Postgres was lost")

    async def _publish(self, connection: Any, redis: RedisConnection) -> int:
        """Publishes and marks the next batch; returns its size."""
        rows = await connection.fetch(
            f"SELECT position, payload, created_at FROM {self._table}"  # noqa: S608
            f" WHERE published_at IS NULL ORDER BY position LIMIT {BATCH}"
        )
        if not rows:
            self._set_pending(0, None)
            return 0
        if len(rows) == BATCH:
            await self._count(connection)
        else:
            self._set_pending(len(rows), rows[0]["created_at"])
        started_ns = time_ns()
        oldest = stream.entry_id(int((datetime.now(UTC).timestamp() - stream.RETENTION_SECONDS) * 1000))
        added = await redis.ask(*(self._addition(row["payload"], oldest) for row in rows))
        identifiers = [identifier.decode() for identifier in added]
        if traces.enabled():
            ended_ns = time_ns()
            for row in rows:
                spans.record_publication(row["payload"], row["created_at"], started_ns, ended_ns)
        await connection.execute(
            f"UPDATE {self._table} AS o SET published_at = clock_timestamp(), stream_id = p.stream_id"  # noqa: S608
            " FROM unnest($1::bigint[], $2::text[]) AS p(position, stream_id)"
            " WHERE o.position = p.position",
            [row["position"] for row in rows],
            identifiers,
        )
        self._last_id = identifiers[-1]
        if len(rows) < BATCH:
            self._set_pending(0, None)
        now = datetime.now(UTC)
        PUBLISHED.inc(len(rows))
        for row in rows:
            LATENCY.observe(max(0.0, (now - row["created_at"]).total_seconds()))
        return len(rows)

    def _addition(self, payload: bytes, oldest: str) -> Command:
        """Returns the command that adds an event, signed at publication and so by the current key."""
        fields = (stream.FIELD, payload, stream.SIGNATURE, sign_event(self._keys, payload))
        return ("XADD", stream.STREAM, "MINID", "~", oldest, "*", *fields)

    async def _count(self, connection: Any) -> None:
        """Counts what is pending: if it exceeds one batch, or cannot be published now."""
        count, oldest = await connection.fetchrow(
            f"SELECT count(*), min(created_at) FROM (SELECT created_at FROM {self._table}"  # noqa: S608
            f" WHERE published_at IS NULL ORDER BY position LIMIT {COUNTED_MAX}) AS pending"
        )
        self._set_pending(count, oldest)

    def _set_pending(self, count: int, oldest: datetime | None) -> None:
        PENDING.set(count)
        self._oldest = oldest

    def _pending_age_seconds(self) -> float:
        oldest = self._oldest
        return 0.0 if oldest is None else max(0.0, (datetime.now(UTC) - oldest).total_seconds())

    async def _restore(self, connection: Any, redis: RedisConnection) -> None:
        """Unmarks published events that the stream no longer has, newest first.

        Redis loses the end of a stream or all of it, so the search ends at a complete batch.
        """
        lost = 0
        before = 2**63 - 1
        self._last_id = None
        while True:
            rows = await connection.fetch(
                f"SELECT position, stream_id FROM {self._table} WHERE position < $1"  # noqa: S608
                " AND stream_id IS NOT NULL"
                f" AND published_at > now() - interval '{VERIFY_WITHIN_HOURS} hours'"
                f" ORDER BY position DESC LIMIT {BATCH}",
                before,
            )
            if not rows:
                break
            before = rows[-1]["position"]
            ids = [row["stream_id"] for row in rows]
            found = await redis.ask(*(("XRANGE", stream.STREAM, each, each) for each in ids))
            gone = [row["position"] for row, entries in zip(rows, found, strict=True) if not entries]
            kept = [row["stream_id"] for row, entries in zip(rows, found, strict=True) if entries]
            self._last_id = max(
                [*kept, *([self._last_id] if self._last_id else [])], key=stream.order, default=None
            )
            if not gone:
                break
            lost += len(gone)
            await connection.execute(
                f"UPDATE {self._table} SET published_at = NULL, stream_id = NULL"  # noqa: S608
                " WHERE position = ANY($1::bigint[])",
                gone,
            )
        if lost:
            LOST_ENTRIES.inc(lost)
            self._log.warning("event stream lost events; publishing them again", events=lost)
        self._intact = True
