"""Revoking one of the caller's API keys."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.mail import MailKind
from auth_service.domain.stores import Database
from auth_service.usecases.revoking import revoke_session


@dataclass(frozen=True, slots=True)
class RevokeApiKey:
    """Revokes a key of the caller."""

    database: Database
    clock: Clock

    async def __call__(self, *, key_id: UUID, caller: Caller) -> None:
        """Returns when it is good no more.

        Raises:
            NotFound: the caller has no such key, or it is revoked already.
        """
        async with self.database.transaction() as stores:
            if not await stores.api_keys.revoke(key_id, caller.person()):
                raise NotFound
            # Whoever remembers the key hears of it as of a session's end.
            await revoke_session(stores, key_id)
            await stores.mails.queue(MailKind.API_KEY_REVOKED, caller.person())
            entry = audited(caller, self.clock.now(), "auth.api_key_revoked", key_id=str(key_id))
            await stores.audit.append(entry)
