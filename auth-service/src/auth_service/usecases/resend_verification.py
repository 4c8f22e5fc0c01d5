"""Asking for the mail that proves an address once more."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.mail import MailKind
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class ResendVerification:
    """Queues a mail with a token: to the pending address, or else to the present one.

    The latter is dropped if the address is verified by its turn.
    """

    database: Database
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Returns when the mail is queued."""
        user_id = caller.person()
        async with self.database.transaction() as stores:
            pending = await stores.email_changes.pending(user_id)
            kind = MailKind.EMAIL_VERIFICATION if pending is None else MailKind.EMAIL_CHANGE
            await stores.mails.queue(kind, user_id)
            await stores.audit.append(audited(caller, self.clock.now(), "auth.verification_resent"))
