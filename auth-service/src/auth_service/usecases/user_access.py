"""What an admin does to other users' accounts: invite, sessions, second factor."""

import secrets
from collections.abc import Sequence
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.errors import Forbidden, NotFound
from chassis.idempotency.record import IdempotencyRecord
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential, Registration
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.mail import MailKind
from auth_service.domain.password import PasswordHasher
from auth_service.domain.revocation import SECOND_FACTOR_REMOVED, SESSIONS_ENDED
from auth_service.domain.session import Session
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import User
from auth_service.usecases.registration import FinishRegistration
from auth_service.usecases.revocation import end_access

ACTION = "auth.user_invited"
_UNGUESSABLE_BYTES = 32


class InviteUser(Component):
    """Registers a user in an admin's name, with a random password.

    Like a registration it is pending until user-service has admitted the user, and finished by
    the event or later when this call or either service dies in between. Signing in meanwhile is
    refused like a wrong password, in the same time.
    """

    units: UnitsOfWork
    hasher: PasswordHasher
    finish: FinishRegistration
    clock: Clock

    async def __call__(
        self,
        *,
        email: str,
        full_name: str,
        role: Role,
        caller: Caller,
        idempotency: IdempotencyRecord | None = None,
    ) -> User:
        """Returns the user, who is mailed a link.

        Args:
            email: The address.
            full_name: The name.
            role: The role.
            caller: The admin.
            idempotency: The call's record; a retry gets the same user.

        Raises:
            EmailTaken: another user has the address.
            Unavailable: it will be finished later, or can be repeated.
        """
        user_id = uuid7() if idempotency is None else idempotency.attempt_id
        async with self.units.statements() as unit:
            known = await unit.credentials.by_email(canonical_email(email))
        if known is not None:
            if known.user_id != user_id and not _is_half_invited(known):
                await self._audit_refusal(caller)
                raise EmailTaken
            return await self.finish(user_id=known.user_id, caller=caller)
        registration = Registration(
            user_id=user_id,
            email=email,
            full_name=full_name,
            role=role,
            is_invited=True,
            accept_language=caller.accept_language,
        )
        await self._begin(
            registration, await self.hasher.hash(secrets.token_urlsafe(_UNGUESSABLE_BYTES)), caller
        )
        return await self.finish(user_id=user_id, caller=caller)

    async def _begin(self, registration: Registration, password_hash: str, caller: Caller) -> None:
        user_id, role = registration.user_id, registration.role.value
        entry = audited(caller, self.clock.now(), ACTION, subject_id=user_id, role=role)
        try:
            async with self.units.transaction() as unit:
                await unit.credentials.add_pending(registration, password_hash)
                await unit.outbox.append(RegistrationStarted(user_id))
                await unit.audit.append(entry)
        except EmailTaken:
            await self._audit_refusal(caller)
            raise

    async def _audit_refusal(self, caller: Caller) -> None:
        entry = audited(caller, self.clock.now(), ACTION, "refused", reason=EmailTaken.reason)
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)


def _is_half_invited(known: Credential) -> bool:
    return known.is_pending and known.is_invited


class ListUserSessions(Component):
    """Lists a user's open sessions, and audits that an admin did."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(
        self, *, user_id: UUID, below: UUID | None, offset: int, limit: int, caller: Caller
    ) -> tuple[Sequence[Session], int]:
        """Returns them, the newest first, and how many there are.

        Args:
            user_id: The user.
            below: Begin after the session with this id; None begins with the newest.
            offset: Sessions to leave out first.
            limit: Return no more than these.
            caller: The admin.

        Raises:
            NotFound: no such user.
        """
        async with self.units.transaction() as unit:
            _require(await unit.credentials.by_id(user_id))
            total = await unit.sessions.count_open(user_id)
            found = await unit.sessions.open_sessions(user_id, limit, offset=offset, below=below)
            entry = audited(caller, self.clock.now(), "auth.user_sessions_read", subject_id=user_id)
            await unit.audit.append(entry)
        return found, total


class EndUserSessions(Component):
    """Signs a user out everywhere."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Ends every session.

        Raises:
            NotFound: no such user.
        """
        now = self.clock.now()
        async with self.units.transaction() as unit:
            _require(await unit.credentials.lock(user_id))
            had_some = bool(await unit.sessions.open_sessions(user_id, 1))
            await end_access(unit, user_id, SESSIONS_ENDED, at=now)
            if had_some:
                await unit.mails.queue(MailKind.SESSIONS_ENDED, user_id)
            await unit.audit.append(audited(caller, now, "auth.user_sessions_ended", subject_id=user_id))


class RemoveUserMfa(Component):
    """Turns off the second factor of another user."""

    units: UnitsOfWork
    throttle_keys: ThrottleKeys
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Turns it off.

        Raises:
            Forbidden: it is the caller's own, which needs the password.
            NotFound: no such user, or the user has none.
        """
        if user_id == caller.user_id:
            raise Forbidden
        now = self.clock.now()
        async with self.units.transaction() as unit:
            if not _require(await unit.credentials.lock(user_id)).second_factor:
                raise NotFound
            await end_access(unit, user_id, SECOND_FACTOR_REMOVED, at=now)
            await unit.login_throttle.erase(self.throttle_keys.of_second_factor(user_id).account)
            await unit.mails.queue(MailKind.SECOND_FACTOR_REMOVED, user_id)
            await unit.audit.append(audited(caller, now, "auth.user_mfa_removed", subject_id=user_id))


def _require(credential: Credential | None) -> Credential:
    if credential is None or credential.is_pending:
        raise NotFound
    return credential
