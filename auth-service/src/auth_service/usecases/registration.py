"""Registration: from a pending credential to a user whom user-service has admitted."""

from datetime import timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.errors import Kind, NotFound, ServiceError
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential, Registration
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.mail import MailKind
from auth_service.domain.password import PasswordHasher, PasswordPolicy
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.domain.user import User, UserDirectory

BATCH = 500

FAILURES_MAX = 5
"""After how many of `_UNREACHABLE` a run ends: all others would fail as well, each after a wait."""

_UNREACHABLE = frozenset({Kind.UNAVAILABLE, Kind.DEADLINE})

STALE = timedelta(minutes=10)


async def queue_first_mail(unit: UnitOfWork, credential: Credential, user: User) -> None:
    """Queues the first mail to a new user or a new address: an invitation or a verification, if any.

    Imported users get none: they know their accounts, and there are many of them at once.

    Args:
        unit: In a transaction, the credential locked.
        credential: As it was before.
        user: The current record.
    """
    if credential.is_imported:
        return
    if credential.is_invited:
        await unit.mails.queue(MailKind.INVITATION, user.user_id)
    elif not user.email_verified:
        await unit.mails.queue(MailKind.EMAIL_VERIFICATION, user.user_id)


class RefuseRegistration(Component):
    """Deletes a pending credential; does nothing when there is none."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Deletes it."""
        async with self.units.transaction() as unit:
            if await unit.credentials.drop_pending(user_id):
                await unit.audit.append(
                    audited(
                        caller,
                        self.clock.now(),
                        "auth.register",
                        "refused",
                        subject_id=user_id,
                        reason=EmailTaken.reason,
                    )
                )


class FinishRegistration(Component):
    """Has user-service admit the user, then activates the credential. Idempotent."""

    units: UnitsOfWork
    directory: UserDirectory
    refuse: RefuseRegistration

    async def __call__(self, *, user_id: UUID, caller: Caller) -> User:
        """Returns the user.

        Raises:
            EmailTaken: another user has the address; the registration is dropped.
            Unavailable: user-service is unreachable; the event finishes the registration later.
        """
        try:
            user = await self.directory.admit(user_id)
        except (EmailTaken, NotFound) as error:
            await self.refuse(user_id=user_id, caller=caller)
            raise EmailTaken from error
        async with self.units.transaction() as unit:
            credential = await unit.credentials.lock(user_id)
            if await unit.credentials.activate(user_id) and credential is not None:
                await queue_first_mail(unit, credential, user)
        return user


class Register(Component):
    """Stores a pending credential, then has user-service admit the user.

    If this call or a service dies in between, the event written with the credential finishes the
    registration; repeating it resumes it too.

    Attributes:
        policy: The rules on the password; None for the operator's own.
    """

    units: UnitsOfWork
    policy: PasswordPolicy | None
    hasher: PasswordHasher
    finish: FinishRegistration
    clock: Clock

    async def __call__(
        self,
        *,
        email: str,
        password: str,
        full_name: str,
        caller: Caller,
        role: Role = Role.USER,
        email_verified: bool = False,
        user_id: UUID | None = None,
    ) -> User:
        """Returns the user.

        Args:
            email: The address.
            password: The password.
            full_name: The name.
            caller: Who registers.
            role: The role.
            email_verified: Whether the address counts as verified.
            user_id: The id to give the user; a user who has it already was created by this registration,
                which is then finished.

        Raises:
            EmailTaken: another user has the address.
            WeakPassword: the password is too easy to guess.
            Unavailable: it will be finished later, or can be repeated.
        """
        async with self.units.statements() as unit:
            known = await unit.credentials.by_email(canonical_email(email))
        if known is not None:
            if known.user_id == user_id:
                return await self.finish(user_id=user_id, caller=caller)
            return await self._resume(known, password, caller)
        if self.policy is not None:
            await self.policy.check("password", password, email=email, full_name=full_name)
        registration = Registration(
            user_id=user_id or uuid7(),
            email=email,
            full_name=full_name,
            role=role,
            email_verified=email_verified,
            accept_language=caller.accept_language,
        )
        await self._begin(registration, await self.hasher.hash(password), caller)
        return await self.finish(user_id=registration.user_id, caller=caller)

    async def _begin(self, registration: Registration, password_hash: str, caller: Caller) -> None:
        user_id = registration.user_id
        # Only the operator's settings register an admin, at the first start.
        action = "auth.register" if registration.role is Role.USER else "auth.bootstrap_admin"
        try:
            async with self.units.transaction() as unit:
                await unit.credentials.add_pending(registration, password_hash)
                await unit.outbox.append(RegistrationStarted(user_id))
                await unit.audit.append(audited(caller, self.clock.now(), action, actor_id=user_id))
        except EmailTaken:
            await self._audit_refusal(None, caller)
            raise

    async def _resume(self, known: Credential, password: str, caller: Caller) -> User:
        """Resumes an unfinished registration, given its password."""
        if not known.is_pending or not await self.hasher.verify(known.password_hash, password):
            await self._audit_refusal(known.user_id, caller)
            raise EmailTaken
        return await self.finish(user_id=known.user_id, caller=caller)

    async def _audit_refusal(self, holder: UUID | None, caller: Caller) -> None:
        entry = audited(
            caller,
            self.clock.now(),
            "auth.register",
            "refused",
            subject_id=holder,
            reason=EmailTaken.reason,
        )
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)


class GetRegistration(Component):
    """Returns a registration that waits to be admitted."""

    units: UnitsOfWork

    async def __call__(self, *, user_id: UUID) -> Registration:
        """Returns it.

        Raises:
            NotFound: there is none, or it was admitted or refused.
        """
        async with self.units.statements() as unit:
            registration = await unit.credentials.pending(user_id)
        if registration is None:
            raise NotFound
        return registration


class FinishStaleRegistrations(Component):
    """Admits or drops registrations that neither their call nor their event has finished."""

    units: UnitsOfWork
    finish: FinishRegistration
    clock: Clock

    async def __call__(self) -> int:
        """Returns how many were finished. One that cannot be does not keep the others waiting.

        Raises:
            ServiceError: one could not be, or several. The run ends after `FAILURES_MAX` of them for
                which user-service was unreachable.
        """
        async with self.units.statements() as unit:
            waiting = await unit.credentials.pending_before(self.clock.now() - STALE, BATCH)
        failures: list[ServiceError] = []
        for user_id in waiting:
            try:
                await self.finish(user_id=user_id, caller=Caller(service="auth-service"))
            except EmailTaken:
                continue
            except ServiceError as error:
                failures.append(error)
                if sum(each.kind in _UNREACHABLE for each in failures) == FAILURES_MAX:
                    break
        if failures:
            raise failures[0]
        return len(waiting)
