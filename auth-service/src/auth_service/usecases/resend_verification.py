"""Asking for the verification mail once more."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.mail import MailKind
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class ResendVerification:
    """Queues a mail with a verification token; it is dropped if the address is verified by its turn."""

    database: Database
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Returns when the mail is queued."""
        async with self.database.transaction() as stores:
            await stores.mails.queue(MailKind.EMAIL_VERIFICATION, caller.person())
            await stores.audit.append(audited(caller, self.clock.now(), "auth.verification_resent"))
