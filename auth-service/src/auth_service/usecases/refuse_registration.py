"""Dropping a registration that cannot be admitted."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import EmailTaken
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class RefuseRegistration:
    """Deletes a pending credential; does nothing when there is none."""

    database: Database
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Returns when it is gone."""
        async with self.database.transaction() as stores:
            if await stores.credentials.drop_pending(user_id):
                await stores.audit.append(
                    audited(
                        caller,
                        self.clock.now(),
                        "auth.register",
                        "refused",
                        subject_id=user_id,
                        reason=EmailTaken.reason,
                    )
                )
