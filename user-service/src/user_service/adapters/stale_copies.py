"""Cached copies of users who have just signed in: events that drop them, many users in each.

A sign-in changes nothing but its time. An event for each, stored, published and verified by every process,
cost as much as the rest of user-service's part.
"""

import asyncio
from uuid import UUID

import structlog
from chassis.errors import Unavailable
from chassis.grpc import committed
from vestibule.events.v1.events_pb2 import Event

from user_service.adapters.postgres.outbox import tag
from user_service.domain.unit_of_work import UnitsOfWork

log = structlog.get_logger()

EVERY_SECONDS = 0.5
"""How late other gateways drop a copy. One that is never dropped expires after 5 s."""

USERS_MAX = 500
"""In one event: a third of the bytes that it may have."""


class GatheredStaleCopies:
    """`StaleCopies` by the response of the call, and by an event for all calls of half a second."""

    def __init__(self, units: UnitsOfWork) -> None:
        self._units = units
        self._users: dict[UUID, None] = {}
        self._are_some = asyncio.Event()

    def note(self, user_id: UUID) -> None:
        """Drops a user's copies at the gateway of this call now, and at others soon."""
        committed.note(Event(tags=[tag(user_id)]))
        self._users[user_id] = None
        self._are_some.set()

    async def run(self) -> None:
        """Announces what is noted, until cancelled."""
        while True:
            await self._are_some.wait()
            await asyncio.sleep(EVERY_SECONDS)
            users, self._users = list(self._users), {}
            self._are_some.clear()
            try:
                for first in range(0, len(users), USERS_MAX):
                    async with self._units.transaction() as unit:
                        await unit.outbox.drop_cached_users(users[first : first + USERS_MAX])
            except Unavailable:
                log.info("cached copies not dropped; they expire", users=len(users))
