"""Removing a passkey."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import Invalid, NotFound
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.mail import MailKind
from auth_service.domain.rights import RightsRule
from auth_service.domain.stores import Database
from auth_service.usecases.revoking import revoke_lost_rights
from auth_service.usecases.verify_password import VerifyPassword


@dataclass(frozen=True, slots=True)
class RemovePasskey:
    """Forgets a passkey of somebody who knows the password; from then on it opens nothing."""

    database: Database
    verify_password: VerifyPassword
    rights_of: RightsRule
    clock: Clock

    async def __call__(self, *, passkey_id: UUID, password: str, caller: Caller) -> None:
        """Returns when it is gone.

        Raises:
            Invalid: the password is wrong.
            TooManyAttempts: this client has guessed at this account too often.
            NotFound: the person has no such passkey.
        """
        user_id = caller.person()
        if not await self.verify_password(user_id=user_id, password=password, caller=caller):
            raise Invalid.on("password", "is not your password")
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(user_id)
            if credential is None or not await stores.passkeys.remove(passkey_id, user_id):
                raise NotFound
            if not credential.second_factor:
                await revoke_lost_rights(stores, credential, self.rights_of)
            await stores.mails.queue(MailKind.PASSKEY_REMOVED, user_id)
            entry = audited(caller, self.clock.now(), "auth.passkey_removed", passkey_id=str(passkey_id))
            await stores.audit.append(entry)
