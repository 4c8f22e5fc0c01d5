"""The audit trail: events that auth-service takes into its chain.

This service has no database, so a session that has ended waits in memory until Redis has it; a process that
is killed in between loses it.
"""

import asyncio
from collections import deque
from datetime import UTC, datetime

import structlog
from chassis.backoff import Backoff
from chassis.events import stream
from chassis.grpc.call import current_traceparent
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import sign_event
from chassis.redis import RedisClient, explain, open_redis
from chassis.redis_connection import FAILURES
from prometheus_client import Counter, Gauge
from vestibule.events.v1.events_pb2 import AuditRecorded, Event

from chassis import ids
from voice_service.domain.session import Session

log = structlog.get_logger()

_WAITING_MAX = 10_000

WAITING = Gauge("voice_audit_waiting", "Sessions that have ended and are not on the event stream yet.")
DROPPED = Counter(
    "voice_audit_dropped_total", "Sessions that could not be audited: too many waited for Redis."
)


class EventAuditTrail:
    """`AuditTrail`."""

    def __init__(self, keys: ServiceKeys, redis_url: str) -> None:
        self._keys = keys
        self._redis_url = redis_url
        self._waiting: deque[bytes] = deque()
        self._woken = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        WAITING.set_function(lambda: len(self._waiting))

    def record(self, session: Session) -> None:
        """Records a session that has ended."""
        if len(self._waiting) >= _WAITING_MAX:
            DROPPED.inc()
            log.error("session not audited: too many wait for redis", session_id=str(session.id))
            return
        self._waiting.append(self._event(session).SerializeToString())
        self._empty.clear()
        self._woken.set()

    async def run(self) -> None:
        """Publishes what is recorded, until cancelled. Retries through outages; logs their start and end."""
        backoff = Backoff(limit_seconds=1.0)
        failing = False
        name = f"{self._keys.service}-audit"
        async with open_redis(self._redis_url, client_name=name) as redis:
            while True:
                try:
                    await self._publish(redis)
                except FAILURES as error:
                    if not failing:
                        log.warning("session audit events not published; retrying", error=explain(error))
                        failing = True
                    await backoff.pause()
                    continue
                if failing:
                    log.info("session audit events published again")
                failing = False
                backoff.reset()
                self._empty.set()
                await self._woken.wait()
                self._woken.clear()

    async def drain(self, grace_seconds: float) -> None:
        """Waits until everything is published, within the grace."""
        try:
            async with asyncio.timeout(grace_seconds):
                await self._empty.wait()
        except TimeoutError:
            log.error(  # noqa: TRY400 the cause is known
                "stopped with sessions that are not audited", count=len(self._waiting)
            )

    async def _publish(self, redis: RedisClient) -> None:
        while self._waiting:
            payload = self._waiting[0]
            fields = {stream.FIELD: payload, stream.SIGNATURE: sign_event(self._keys, payload)}
            oldest = stream.entry_id(round((datetime.now(UTC).timestamp() - stream.RETENTION_SECONDS) * 1000))
            await redis.ask(("XADD", stream.STREAM, "MINID", "~", oldest, "*", *stream.flat(fields)))
            self._waiting.popleft()

    def _event(self, session: Session) -> Event:
        caller = session.caller
        event = Event(
            event_id=str(ids.uuid7()),
            source=self._keys.service,
            traceparent=current_traceparent(),
            audit_recorded=AuditRecorded(
                actor_id=str(caller.user_id or ""),
                subject_id=str(caller.user_id or ""),
                action=session.action,
                outcome=session.outcome,
                details={
                    "session": str(session.id),
                    "ended_by": session.ended_by,
                    **{name: str(amount) for name, amount in session.amounts.items()},
                },
            ),
        )
        event.occurred_at.GetCurrentTime()
        return event
