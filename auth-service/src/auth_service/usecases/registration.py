"""Registration: from a pending credential to a user whom user-service has admitted."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.email_address import canonical_email
from chassis.errors import NotFound
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential, Registration
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.mail import MailKind
from auth_service.domain.password import PasswordHasher, PasswordPolicy
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.domain.user import Role, User, UserDirectory


async def queue_first_mail(unit: UnitOfWork, credential: Credential, user: User) -> None:
    """Queues the mail that a new user, or the owner of a new address, has to answer, if any.

    Args:
        unit: In a transaction, the credential locked.
        credential: As it was before.
        user: As user-service has it now.
    """
    if credential.is_invited:
        await unit.mails.queue(MailKind.INVITATION, user.user_id)
    elif not user.email_verified:
        await unit.mails.queue(MailKind.EMAIL_VERIFICATION, user.user_id)


@dataclass(frozen=True, slots=True)
class RefuseRegistration:
    """Deletes a pending credential; does nothing when there is none."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> None:
        """Returns when it is gone."""
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


@dataclass(frozen=True, slots=True)
class FinishRegistration:
    """Has user-service admit the user, then lets the credential count. May be repeated."""

    units: UnitsOfWork
    directory: UserDirectory
    refuse: RefuseRegistration

    async def __call__(self, *, user_id: UUID, caller: Caller) -> User:
        """Returns the user.

        Raises:
            EmailTaken: somebody else has the address, and the registration is dropped.
            Unavailable: user-service cannot be asked now; it will be told.
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


@dataclass(frozen=True, slots=True)
class Register:
    """Keeps a pending credential, then has user-service admit the user.

    The event written with the credential makes user-service do the same later, should this
    call or either service die in between; and repeating the registration resumes it.

    Attributes:
        policy: What the password must be like; None takes any, for the operator's own.
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
            email: Where they are reached.
            password: What they will prove themselves by.
            full_name: What they are called.
            caller: Who registers.
            role: What they may do.
            email_verified: Whether the address is known to be theirs.
            user_id: The id that they are to have; the user who has it already was made by
                this very registration, which is then only answered again.

        Raises:
            EmailTaken: somebody has the address.
            WeakPassword: the password would be guessed.
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
        )
        await self._begin(registration, await self.hasher.hash(password), caller)
        return await self.finish(user_id=registration.user_id, caller=caller)

    async def _begin(self, registration: Registration, password_hash: str, caller: Caller) -> None:
        user_id = registration.user_id
        # Nobody registers an admin but the operator, at the first start.
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
        """Takes up a registration that was left half done, for whoever knows its password."""
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


@dataclass(frozen=True, slots=True)
class GetRegistration:
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


BATCH = 500
STALE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class FinishStaleRegistrations:
    """Finishes registrations that neither their call nor their event did: admitted or dropped."""

    units: UnitsOfWork
    finish: FinishRegistration
    clock: Clock

    async def __call__(self) -> int:
        """Returns how many were finished.

        Raises:
            Unavailable: user-service cannot be asked.
        """
        async with self.units.statements() as unit:
            waiting = await unit.credentials.pending_before(self.clock.now() - STALE, BATCH)
        for user_id in waiting:
            try:
                await self.finish(user_id=user_id, caller=Caller(service="auth-service"))
            except EmailTaken:
                continue
        return len(waiting)
