"""Puts revocations on the stream before the call that made them is answered.

The relay publishes within milliseconds, but after the answer. A service that died in between left a
revocation that was acknowledged and that no other process knew: while no auth-service runs, they go by what
is on the stream. The relay publishes the event again; readers apply a revocation any number of times.
"""

import asyncio
from typing import Any

import structlog

from chassis.events import stream
from chassis.grpc import committed
from chassis.grpc.pipeline import Behaviour
from chassis.grpc.policy import Policy
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import sign_event
from chassis.redis import RedisClient, explain
from chassis.redis_connection import FAILURES, Command

log = structlog.get_logger()

WAIT_SECONDS = 1.0
"""How long an answer waits for Redis. A process that has not read the stream for as long fetches the
revocations from auth-service before it goes by the stream again."""


class EarlyPublisher:
    """Publishes the revocations of calls; without Redis the calls are answered all the same."""

    def __init__(self, keys: ServiceKeys, redis: RedisClient) -> None:
        """Takes the keys that sign the service's events, and where the stream is."""
        self._keys = keys
        self._redis = redis

    def around(self, policy: Policy, behave: Behaviour) -> Behaviour:
        """Returns a method's behaviour; what it revokes is published before it is answered or refused."""
        del policy

        async def publishing(request: Any, context: Any) -> Any:
            try:
                response = await behave(request, context)
            except Exception:
                await self._publish()
                raise
            await self._publish()
            return response

        return publishing

    async def _publish(self) -> None:
        """Publishes the revocations that the current call has committed."""
        revoking = [
            self._addition(event.SerializeToString())
            for event in committed.own_events(self._keys)
            if event.HasField("tokens_revoked")
        ]
        if not revoking:
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._redis.ask(*revoking)
        except FAILURES as error:
            log.info("revocations are published by the relay alone", error=explain(error))

    def _addition(self, payload: bytes) -> Command:
        fields = (stream.FIELD, payload, stream.SIGNATURE, sign_event(self._keys, payload))
        return ("XADD", stream.STREAM, "*", *fields)
