"""Where the caller is signed in."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.identity.caller import Caller

from auth_service.domain.session import Session
from auth_service.domain.stores import Database

SESSIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ListSessions:
    """Lists the caller's open sessions."""

    database: Database

    async def __call__(self, *, caller: Caller) -> Sequence[Session]:
        """Returns them, the newest first, `SESSIONS_MAX` at most."""
        async with self.database.statements() as stores:
            return await stores.sessions.open_sessions(caller.person(), SESSIONS_MAX)
