"""Signing out everywhere."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.access import SESSIONS_ENDED
from auth_service.domain.audit import audited
from auth_service.domain.stores import Database
from auth_service.usecases.revoking import end_access


@dataclass(frozen=True, slots=True)
class LogoutAll:
    """Ends every session of the caller."""

    database: Database
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Returns when all have ended."""
        user_id = caller.person()
        now = self.clock.now()
        async with self.database.transaction() as stores:
            # The lock makes sign-ins and refreshes wait: none slips in between the two steps.
            await stores.credentials.lock(user_id)
            await end_access(stores, user_id, SESSIONS_ENDED, at=now)
            await stores.audit.append(audited(caller, now, "auth.logout_all"))
