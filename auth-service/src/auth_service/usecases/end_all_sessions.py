"""Ending everybody's sessions at once."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import Forbidden
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.events import TokensRevoked
from auth_service.domain.session import ACCESS_LIFETIME, CLOCK_SKEW
from auth_service.domain.stores import Database
from auth_service.domain.tokens import Revocation
from auth_service.usecases.revoking import revoke_session

BATCH = 10_000
"""Sessions that end in one statement: few enough for it to be over well within its time limit."""


NAMED_BATCH = 500
"""Fewer when each is named by an event of its own."""


@dataclass(frozen=True, slots=True)
class EndAllSessions:
    """Ends every session of everybody but the one that asks.

    One revocation without any session's name makes every gateway refuse their access tokens within
    a second, however many they are. Then the sessions themselves end, so that no refresh token is
    taken; tokens that were refreshed in between are refused by a second revocation.

    Attributes:
        database: Where sessions are.
        clock: Tells which sessions can have a living access token.
        names_each: Whether each such session is revoked by its name as well: processes of the release
            before know no revocation of every session.
    """

    database: Database
    clock: Clock
    names_each: bool = False

    async def __call__(self, *, caller: Caller) -> None:
        """Returns when no other session is left that was opened before the call.

        Raises:
            Forbidden: the caller has no session.
            Unavailable: the tokens are refused, and the sessions will end later.
        """
        caller.person()
        if caller.session_id is None:
            raise Forbidden
        async with self.database.transaction() as stores:
            revocation = await stores.revocations.of_every_session(caller.session_id, sessions_ended=False)
            await stores.outbox.append(TokensRevoked(revocation))
            await stores.attempts.end_everybodys(but=caller.session_id)
            await stores.audit.append(audited(caller, self.clock.now(), "auth.all_sessions_ended"))
        await self._end(revocation)

    async def finish(self) -> int:
        """Ends the sessions of calls that died before they had; returns how many."""
        async with self.database.statements() as stores:
            unended = await stores.revocations.unended()
        return sum([await self._end(revocation) for revocation in unended])

    async def _end(self, revocation: Revocation) -> int:
        kept = revocation.kept_session_id
        assert kept is not None  # noqa: S101 - a revocation of every session keeps one
        batch = NAMED_BATCH if self.names_each else BATCH
        total, ended = 0, batch
        while ended == batch:
            living_since = self.clock.now() - ACCESS_LIFETIME - 2 * CLOCK_SKEW
            async with self.database.transaction() as stores:
                ended, living = await stores.sessions.end_every(
                    revocation.issued_until, but=kept, limit=batch, used_since=living_since
                )
                total += ended
                for session_id in living if self.names_each else ():
                    await revoke_session(stores, session_id)
                if ended < batch:
                    again = await stores.revocations.of_every_session(kept, sessions_ended=True)
                    await stores.outbox.append(TokensRevoked(again))
                    await stores.revocations.note_ended(revocation)
        return total
