"""Sessions: listing and ending them, for their user, and for an admin who ends all."""

from collections.abc import Sequence
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import Forbidden, NotFound
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.events import TokensRevoked
from auth_service.domain.revocation import SESSIONS_ENDED
from auth_service.domain.session import TOKENS_LIVE, Session
from auth_service.domain.tokens import Revocation
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.usecases import revocation
from auth_service.usecases.revocation import end_access, end_session, revoke_session

BATCH = 10_000
"""Sessions ended per statement: few enough to stay well within its time limit."""

NAMED_BATCH = 500
"""Fewer if each has an event of its own."""

SESSIONS_MAX = 1_000


class ListSessions(Component):
    """Lists the caller's open sessions."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> Sequence[Session]:
        """Returns them, the newest first, `SESSIONS_MAX` at most."""
        async with self.units.statements() as unit:
            return await unit.sessions.open_sessions(caller.require_user_id(), SESSIONS_MAX)


class EndSession(Component):
    """Ends one of the caller's open sessions, this one or another."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, session_id: UUID, caller: Caller) -> None:
        """Ends it.

        Raises:
            NotFound: the caller has no such open session.
        """
        user_id = caller.require_user_id()
        async with self.units.transaction() as unit:
            await unit.credentials.lock(user_id)
            if not await revocation.end_session(unit, session_id, user_id):
                raise NotFound
            await unit.audit.append(
                audited(caller, self.clock.now(), "auth.session_ended", session_id=str(session_id))
            )


class Logout(Component):
    """Ends the session that the caller's access token belongs to."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Ends it, unless it has ended already.

        Raises:
            Forbidden: the caller's token belongs to no session.
        """
        user_id = caller.require_user_id()
        if caller.session_id is None:
            raise Forbidden
        async with self.units.transaction() as unit:
            await unit.credentials.lock(user_id)
            if await end_session(unit, caller.session_id, user_id):
                session_id = str(caller.session_id)
                await unit.audit.append(
                    audited(caller, self.clock.now(), "auth.logout", session_id=session_id)
                )


class LogoutAll(Component):
    """Ends every session of the caller."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Ends them."""
        user_id = caller.require_user_id()
        now = self.clock.now()
        async with self.units.transaction() as unit:
            # The lock makes sign-ins and refreshes wait, so that none happens between the two steps.
            await unit.credentials.lock(user_id)
            await end_access(unit, user_id, SESSIONS_ENDED, at=now)
            await unit.audit.append(audited(caller, now, "auth.logout_all"))


class EndAllSessions(Component):
    """Ends the sessions of all users, except the caller's session.

    One revocation for all sessions makes every gateway refuse their access tokens within a second, however
    many there are. Then the sessions themselves end, so that refresh tokens are refused; tokens that were
    refreshed in between are refused by a second revocation.

    Attributes:
        clock: Decides which sessions can have a valid access token.
        names_each: Whether to revoke each such session by its id as well, for processes of the previous
            release, which do not know a revocation of all sessions.
    """

    units: UnitsOfWork
    clock: Clock
    names_each: bool = False

    async def __call__(self, *, caller: Caller) -> None:
        """Ends every other session that was opened before the call.

        Raises:
            Forbidden: the caller has no session.
            Unavailable: the access tokens are refused, and the sessions will end later.
        """
        caller.require_user_id()
        if caller.session_id is None:
            raise Forbidden
        async with self.units.transaction() as unit:
            revocation = await unit.revocations.of_every_session(caller.session_id, sessions_ended=False)
            await unit.outbox.append(TokensRevoked(revocation))
            await unit.idempotency.expire_all(but=caller.session_id)
            await unit.audit.append(audited(caller, self.clock.now(), "auth.all_sessions_ended"))
        await self._end(revocation)

    async def finish(self) -> int:
        """Ends the sessions that an interrupted call has left open; returns how many."""
        async with self.units.statements() as unit:
            unended = await unit.revocations.unended()
        return sum([await self._end(revocation) for revocation in unended])

    async def _end(self, revocation: Revocation) -> int:
        kept = revocation.kept_session_id
        assert kept is not None  # noqa: S101 - a revocation of every session keeps one
        batch = NAMED_BATCH if self.names_each else BATCH
        total, is_last = 0, False
        while True:
            living_since = self.clock.now() - TOKENS_LIVE
            async with self.units.transaction() as unit:
                if is_last:
                    # A sign-in that began before the revocation may not have committed its session yet.
                    await unit.sessions.wait_for_sign_ins()
                ended, living = await unit.sessions.end_every(
                    revocation.issued_until, but=kept, limit=batch, used_since=living_since
                )
                total += ended
                for session_id in living if self.names_each else ():
                    await revoke_session(unit, session_id)
                if is_last and ended < batch:
                    again = await unit.revocations.of_every_session(kept, sessions_ended=True)
                    await unit.outbox.append(TokensRevoked(again))
                    await unit.revocations.note_ended(revocation)
                    return total
            is_last = ended < batch
