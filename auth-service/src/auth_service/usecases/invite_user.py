"""Making a user who chooses a password by mail."""

import secrets
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.email_address import canonical_email
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential, Person, Registration, Role
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.idempotency import Attempt
from auth_service.domain.ports import PasswordHasher
from auth_service.domain.stores import Database
from auth_service.usecases.finish_registration import FinishRegistration

ACTION = "auth.user_invited"
_UNGUESSABLE_BYTES = 32


@dataclass(frozen=True, slots=True)
class InviteUser:
    """Registers a user in an admin's name, with a password that nobody knows.

    Like a registration it is pending until user-service has admitted the user, and finished by
    the event or later when this call or either service dies in between. Signing in meanwhile is
    refused like a wrong password, in the same time.
    """

    database: Database
    hasher: PasswordHasher
    finish: FinishRegistration
    clock: Clock

    async def __call__(
        self, *, email: str, full_name: str, role: Role, caller: Caller, attempt: Attempt | None = None
    ) -> Person:
        """Returns the user, who is mailed a link.

        Args:
            email: Where the link is mailed.
            full_name: What the user is called.
            role: What the user may do.
            caller: The admin.
            attempt: By which the call is known when it is made again.

        Raises:
            EmailTaken: somebody has the address.
            Unavailable: it will be finished later, or can be repeated.
        """
        user_id = uuid7() if attempt is None else attempt.attempt_id
        async with self.database.statements() as stores:
            known = await stores.credentials.by_email(canonical_email(email))
        if known is not None:
            if known.user_id != user_id and not _is_half_invited(known):
                await self._note_refusal(caller)
                raise EmailTaken
            return await self.finish(user_id=known.user_id, caller=caller)
        registration = Registration(
            user_id=user_id, email=email, full_name=full_name, role=role, is_invited=True
        )
        await self._begin(
            registration, await self.hasher.hash(secrets.token_urlsafe(_UNGUESSABLE_BYTES)), caller
        )
        return await self.finish(user_id=user_id, caller=caller)

    async def _begin(self, registration: Registration, password_hash: str, caller: Caller) -> None:
        user_id, role = registration.user_id, registration.role.value
        entry = audited(caller, self.clock.now(), ACTION, subject_id=user_id, role=role)
        try:
            async with self.database.transaction() as stores:
                await stores.credentials.add_pending(registration, password_hash)
                await stores.outbox.append(RegistrationStarted(user_id))
                await stores.audit.append(entry)
        except EmailTaken:
            await self._note_refusal(caller)
            raise

    async def _note_refusal(self, caller: Caller) -> None:
        entry = audited(caller, self.clock.now(), ACTION, "refused", reason=EmailTaken.reason)
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)


def _is_half_invited(known: Credential) -> bool:
    return known.is_pending and known.is_invited
