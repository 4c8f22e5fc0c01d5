"""What an admin does about another's sessions and second factor."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import Forbidden, NotFound
from chassis.identity.caller import Caller

from auth_service.domain.access import SECOND_FACTOR_REMOVED, SESSIONS_ENDED
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.mail import MailKind
from auth_service.domain.ports import GuessKeys
from auth_service.domain.session import Session
from auth_service.domain.stores import Database
from auth_service.usecases.revoking import end_access


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """A page of a user's open sessions.

    Attributes:
        number: The page's number, from 1.
        size: Rows a page.
        total: Rows in the whole list.
    """

    sessions: Sequence[Session]
    number: int
    size: int
    total: int


@dataclass(frozen=True, slots=True)
class ListUserSessions:
    """Lists a user's open sessions; that an admin looked is on the record."""

    database: Database
    clock: Clock

    async def __call__(self, *, user_id: UUID, page: int, page_size: int, caller: Caller) -> SessionPage:
        """Returns a page, the newest first.

        Raises:
            NotFound: there is no such user.
        """
        async with self.database.transaction() as stores:
            _require(await stores.credentials.by_id(user_id))
            total = await stores.sessions.count_open(user_id)
            found = await stores.sessions.open_sessions(user_id, page_size, (page - 1) * page_size)
            entry = audited(caller, self.clock.now(), "auth.user_sessions_read", subject_id=user_id)
            await stores.audit.append(entry)
        return SessionPage(sessions=found, number=page, size=page_size, total=total)


@dataclass(frozen=True, slots=True)
class EndUserSessions:
    """Signs a user out everywhere."""

    database: Database
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Returns when every session has ended.

        Raises:
            NotFound: there is no such user.
        """
        now = self.clock.now()
        async with self.database.transaction() as stores:
            _require(await stores.credentials.lock(user_id))
            had_some = bool(await stores.sessions.open_sessions(user_id, 1))
            await end_access(stores, user_id, SESSIONS_ENDED, at=now)
            if had_some:
                await stores.mails.queue(MailKind.SESSIONS_ENDED, user_id)
            await stores.audit.append(audited(caller, now, "auth.user_sessions_ended", subject_id=user_id))


@dataclass(frozen=True, slots=True)
class RemoveUserMfa:
    """Turns off the second factor of another user."""

    database: Database
    guess_keys: GuessKeys
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Returns when it is off.

        Raises:
            Forbidden: it is the caller's own, for which the password is asked.
            NotFound: there is no such user, or the user has none.
        """
        if user_id == caller.user_id:
            raise Forbidden
        now = self.clock.now()
        async with self.database.transaction() as stores:
            if not _require(await stores.credentials.lock(user_id)).second_factor:
                raise NotFound
            await end_access(stores, user_id, SECOND_FACTOR_REMOVED, at=now)
            await stores.guesses.erase(self.guess_keys.of_second_factor(user_id).account)
            await stores.mails.queue(MailKind.SECOND_FACTOR_REMOVED, user_id)
            await stores.audit.append(audited(caller, now, "auth.user_mfa_removed", subject_id=user_id))


def _require(credential: Credential | None) -> Credential:
    if credential is None or credential.is_pending:
        raise NotFound
    return credential
