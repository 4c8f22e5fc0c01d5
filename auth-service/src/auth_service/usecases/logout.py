"""Signing out here."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import Forbidden
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.stores import Database
from auth_service.usecases.revoking import end_session


@dataclass(frozen=True, slots=True)
class Logout:
    """Ends the session that the caller's access token belongs to."""

    database: Database
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Returns when it has ended; does nothing when it has already.

        Raises:
            Forbidden: the caller's token belongs to no session.
        """
        user_id = caller.person()
        if caller.session_id is None:
            raise Forbidden
        async with self.database.transaction() as stores:
            if await end_session(stores, caller.session_id, user_id):
                session_id = str(caller.session_id)
                await stores.audit.append(
                    audited(caller, self.clock.now(), "auth.logout", session_id=session_id)
                )
