"""Deleting what has served its time, and finishing what was left half done."""

from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.errors import EmailTaken
from auth_service.domain.stores import Database
from auth_service.usecases.finish_registration import FinishRegistration

BATCH = 500
STALE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PurgeExpired:
    """Deletes in small batches; several instances may do it at once."""

    database: Database

    async def __call__(self) -> int:
        """Returns how many rows were deleted."""
        deleted = 0
        while True:
            async with self.database.statements() as stores:
                batch = await stores.retention.purge(BATCH)
            deleted += batch
            if batch < BATCH:
                return deleted


@dataclass(frozen=True, slots=True)
class FinishStaleRegistrations:
    """Finishes registrations that neither their call nor their event did: admitted or dropped."""

    database: Database
    finish: FinishRegistration
    clock: Clock

    async def __call__(self) -> int:
        """Returns how many were finished.

        Raises:
            Unavailable: user-service cannot be asked.
        """
        async with self.database.statements() as stores:
            waiting = await stores.credentials.pending_before(self.clock.now() - STALE, BATCH)
        for user_id in waiting:
            try:
                await self.finish(user_id=user_id, caller=Caller(service="auth-service"))
            except EmailTaken:
                continue
        return len(waiting)
