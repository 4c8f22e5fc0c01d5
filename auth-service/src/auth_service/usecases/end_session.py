"""Ending one of the caller's sessions."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.stores import Database
from auth_service.usecases import revoking


@dataclass(frozen=True, slots=True)
class EndSession:
    """Ends one of the caller's open sessions, this one or another."""

    database: Database
    clock: Clock

    async def __call__(self, *, session_id: UUID, caller: Caller) -> None:
        """Returns when it has ended.

        Raises:
            NotFound: the caller has no such open session.
        """
        async with self.database.transaction() as stores:
            if not await revoking.end_session(stores, session_id, caller.person()):
                raise NotFound
            await stores.audit.append(
                audited(caller, self.clock.now(), "auth.session_ended", session_id=str(session_id))
            )
