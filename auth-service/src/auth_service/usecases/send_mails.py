"""Sending what is queued."""

import asyncio
from dataclasses import dataclass

from chassis.errors import ServiceError

from auth_service.domain.errors import Undeliverable
from auth_service.domain.mail import Mail, wait_after
from auth_service.domain.mail_ports import MailTokens, Postman
from auth_service.domain.stores import Database
from auth_service.usecases.address_mail import LEASE, AddressMail

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
            letter = await AddressMail(self.tokens)(stores, mail)
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
