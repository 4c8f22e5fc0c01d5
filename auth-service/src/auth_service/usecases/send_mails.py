"""Sending what is queued."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from chassis.errors import ServiceError

from auth_service.domain.credential import Credential
from auth_service.domain.errors import Undeliverable
from auth_service.domain.mail import Letter, Mail, MailKind, digest, wait_after
from auth_service.domain.mail_ports import MailTokens, Postman
from auth_service.domain.stores import Database, Stores

LEASE = timedelta(minutes=2)
"""How long a mail is left to whoever claimed it: longer than any delivery lasts."""

AT_ONCE = 4
"""Mails on their way at a time."""


@dataclass(frozen=True, slots=True)
class SendMails:
    """Sends every mail that is due, each at least once; several instances may do it at the same time.

    A mail leaves the queue when it is out of our hands. No connection is held meanwhile.
    """

    database: Database
    tokens: MailTokens
    postman: Postman

    async def __call__(self) -> int:
        """Returns how many mails were sent, dropped or put off.

        Raises:
            Unavailable: Postgres is away.
        """
        first = await self._claim()
        if first is None:
            return 0
        counts = await asyncio.gather(
            self._work(first), *(self._work(None) for _ in range(AT_ONCE - 1)), return_exceptions=True
        )
        for count in counts:
            if isinstance(count, BaseException):
                raise count
        return sum(count for count in counts if isinstance(count, int))

    async def _work(self, mail: Mail | None) -> int:
        handled = 0
        while mail := mail or await self._claim():
            await self._handle(mail)
            handled, mail = handled + 1, None
        return handled

    async def _claim(self) -> Mail | None:
        async with self.database.statements() as stores:
            return await stores.mails.claim(LEASE)

    async def _handle(self, mail: Mail) -> None:
        async with self.database.transaction() as stores:
            letter = await self._letter(stores, mail)
            if letter is None:
                await stores.mails.remove(mail.id)
                return
        try:
            await self.postman(letter)
        except Undeliverable:  # The log knows; there is nobody else to inform.
            async with self.database.transaction() as stores:
                await stores.mails.note_refused(mail)
        except ServiceError:
            async with self.database.statements() as stores:
                await stores.mails.put_off(mail.id, wait_after(mail.attempts))
        else:
            async with self.database.transaction() as stores:
                # The lock keeps an earlier mail, on its way at this moment, from issuing its token after.
                await stores.credentials.lock(mail.user_id)
                await stores.mails.note_delivered(mail)

    async def _letter(self, stores: Stores, mail: Mail) -> Letter | None:
        """Returns the mail as it goes out, its token counting from now on; None when it is not to."""
        credential = await stores.credentials.lock(mail.user_id)
        if mail.superseded and mail.kind.has_token:
            return None
        if mail.kind is MailKind.EMAIL_VERIFICATION and await stores.emails.verified(mail.user_id):
            return None
        to = _address(credential)
        if not mail.kind.has_token:
            if to is None:
                return None
            return Letter(id=mail.id, kind=mail.kind, to=to, traceparent=mail.traceparent)
        token = self.tokens(mail.kind, mail.id, mail.user_id, to or "")
        if to is None:
            await stores.mails.put_off(mail.id, LEASE)  # A write for a write.
        elif not await stores.mails.issue(mail, digest(token), mail.kind.token_lifetime):
            return None
        return Letter(id=mail.id, kind=mail.kind, to=to, token=token, traceparent=mail.traceparent)


def _address(credential: Credential | None) -> str | None:
    if credential is None or not credential.is_active or credential.is_pending:
        return None
    return credential.email
