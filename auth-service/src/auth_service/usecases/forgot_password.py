"""Asking for a new password."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.email_address import canonical_email
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.mail import MailKind, nobody
from auth_service.domain.ports import Afterwards, GuessKeys
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class ForgotPassword:
    """Queues a mail with a reset token.

    For an unknown address the same statements queue a mail to nobody, which goes the same
    way until it is dropped: the answer tells nothing, and neither does the time of this
    answer or the next.
    """

    database: Database
    guess_keys: GuessKeys
    clock: Clock
    afterwards: Afterwards

    async def __call__(self, *, email: str, caller: Caller) -> None:
        """Returns when the mail is queued."""
        address = canonical_email(email)
        stranger = nobody(self.guess_keys(address, "").account)
        async with self.database.statements() as stores:
            credential = await stores.credentials.by_email(address)
        subject_id = None if credential is None else credential.user_id
        async with self.database.transaction() as stores:
            await stores.mails.queue(MailKind.PASSWORD_RESET, subject_id or stranger)
        entry = audited(caller, self.clock.now(), "auth.password_forgot", subject_id=subject_id)

        async def note() -> None:
            if subject_id is not None:
                async with self.database.transaction() as stores:
                    await stores.audit.append(entry)

        # What nobody is concerned by is not chained; the answer shall not tell of it by its time.
        await self.afterwards(note)
