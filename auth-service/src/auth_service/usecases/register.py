"""Registering."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.email_address import canonical_email
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential, Person, Registration, Role
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.password_policy import PasswordPolicy
from auth_service.domain.ports import PasswordHasher
from auth_service.domain.stores import Database
from auth_service.usecases.finish_registration import FinishRegistration


@dataclass(frozen=True, slots=True)
class Register:
    """Keeps a pending credential, then has user-service admit the person.

    The event written with the credential makes user-service do the same later, should this
    call or either service die in between; and repeating the registration resumes it.

    Attributes:
        policy: What the password must be like; None takes any, for the operator's own.
    """

    database: Database
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
    ) -> Person:
        """Returns the person.

        Args:
            email: Where they are reached.
            password: What they will prove themselves by.
            full_name: What they are called.
            caller: Who registers.
            role: What they may do.
            email_verified: Whether the address is known to be theirs.
            user_id: The id that they are to have; the person who has it already was made by
                this very registration, which is then only answered again.

        Raises:
            EmailTaken: somebody has the address.
            WeakPassword: the password would be guessed.
            Unavailable: it will be finished later, or can be repeated.
        """
        async with self.database.statements() as stores:
            known = await stores.credentials.by_email(canonical_email(email))
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
            async with self.database.transaction() as stores:
                await stores.credentials.add_pending(registration, password_hash)
                await stores.outbox.append(RegistrationStarted(user_id))
                await stores.audit.append(audited(caller, self.clock.now(), action, actor_id=user_id))
        except EmailTaken:
            await self._note_refusal(None, caller)
            raise

    async def _resume(self, known: Credential, password: str, caller: Caller) -> Person:
        """Takes up a registration that was left half done, for whoever knows its password."""
        if not known.is_pending or not await self.hasher.verify(known.password_hash, password):
            await self._note_refusal(known.user_id, caller)
            raise EmailTaken
        return await self.finish(user_id=known.user_id, caller=caller)

    async def _note_refusal(self, holder: UUID | None, caller: Caller) -> None:
        entry = audited(
            caller,
            self.clock.now(),
            "auth.register",
            "refused",
            subject_id=holder,
            reason=EmailTaken.reason,
        )
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)
