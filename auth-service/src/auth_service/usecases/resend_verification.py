"""Asking for the mail that proves an address once more."""

from contextlib import suppress
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import ServiceError
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.mail import MailKind
from auth_service.domain.stores import Database
from auth_service.usecases.sync_account import SyncAccount


@dataclass(frozen=True, slots=True)
class ResendVerification:
    """Queues a mail with a token: to the pending address, or else to the present one.

    The latter is dropped if the address is verified by its turn.
    """

    database: Database
    sync: SyncAccount
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Returns when the mail is queued."""
        user_id = caller.person()
        with suppress(ServiceError):  # What is asked for may have come here by the release before.
            await self.sync(user_id=user_id, caller=caller)
        async with self.database.transaction() as stores:
            pending = await stores.email_changes.pending(user_id)
            kind = MailKind.EMAIL_VERIFICATION if pending is None else MailKind.EMAIL_CHANGE
            await stores.mails.queue(kind, user_id)
            await stores.audit.append(audited(caller, self.clock.now(), "auth.verification_resent"))
