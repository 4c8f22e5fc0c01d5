"""Delivering queued mails."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.errors import ServiceError

from auth_service.domain.credential import Credential
from auth_service.domain.email_change import MAILS_TO_ONE_TARGET_MAX, TARGET_WINDOW
from auth_service.domain.errors import Undeliverable
from auth_service.domain.mail import (
    EMAIL_NOTICES,
    Mail,
    MailKind,
    MailSender,
    MailTokens,
    OutgoingMail,
    digest,
    wait_after,
)
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork

AT_ONCE = 4
"""Concurrent deliveries."""

LEASE = timedelta(minutes=2)
"""How long a claimed mail is reserved: longer than any delivery takes."""

TO_ONE_USER_MAX = 10
"""Mails of one kind with a token per user and hour; the link of the last one works."""

_NO_ID = UUID(int=0)


class AddressMail(Component):
    """Reads the address when a mail is sent, so that it goes to the current one."""

    tokens: MailTokens

    async def __call__(self, unit: UnitOfWork, mail: Mail) -> OutgoingMail | None:
        """Returns the mail to send, its token valid from now on; None if it is not to be sent."""
        credential = await unit.credentials.lock(mail.user_id)
        if mail.superseded and mail.kind.newest_wins:
            return None
        if mail.kind is MailKind.EMAIL_CHANGE:
            return await self._to_pending(unit, mail, credential)
        if mail.kind.undoes:
            former = await unit.email_changes.former(mail.id)
            if former is not None:
                return await self._with_token(unit, mail, former.email, credential)
            # Queued by the previous release, whose notices have no link, or undone meanwhile.
            to = None if mail.kind in EMAIL_NOTICES else _address(credential)
            return None if to is None else _notice(mail, to, credential)
        to = _address(credential)
        if mail.kind.has_token:
            return await self._to_user(unit, mail, to, credential)
        return None if to is None else _notice(mail, to, credential)

    async def _to_user(
        self, unit: UnitOfWork, mail: Mail, to: str | None, reader: Credential | None
    ) -> OutgoingMail | None:
        if mail.kind is MailKind.EMAIL_VERIFICATION and await unit.emails.verified(mail.user_id):
            return None
        target = self.tokens(mail.kind, _NO_ID, mail.user_id, "")
        if not await self._admits(unit, mail, target, TO_ONE_USER_MAX):
            return None
        return await self._with_token(unit, mail, to, reader)

    async def _to_pending(
        self, unit: UnitOfWork, mail: Mail, credential: Credential | None
    ) -> OutgoingMail | None:
        """Returns the verification of a pending address, or a notice to the user who has it already.

        Both cost and store the same, so that requesting an address does not reveal whether it is taken: a
        taken one gets a token too, which is mailed to no one.
        """
        pending = await unit.email_changes.pending(mail.user_id)
        if pending is None or _address(credential) is None:
            return None
        target = self.tokens(mail.kind, _NO_ID, _NO_ID, pending)
        if not await self._admits(unit, mail, target, MAILS_TO_ONE_TARGET_MAX):
            return None
        owner = await unit.credentials.by_email(canonical_email(pending))
        outgoing = await self._with_token(unit, mail, pending, credential)
        if outgoing is None or owner is None or owner.is_pending or owner.user_id == mail.user_id:
            return outgoing
        return replace(_notice(mail, _address(owner), owner), kind=MailKind.EMAIL_IN_USE)

    async def _with_token(
        self, unit: UnitOfWork, mail: Mail, to: str | None, reader: Credential | None
    ) -> OutgoingMail | None:
        token = self.tokens(mail.kind, mail.id, mail.user_id, to or "")
        if to is None:
            await unit.mails.delay(mail.id, LEASE)  # Costs a write, as issuing a token does.
        elif not await unit.mails.issue(mail, digest(token), mail.kind.token_lifetime):
            return None
        return replace(_notice(mail, to, reader), token=token)

    async def _admits(self, unit: UnitOfWork, mail: Mail, target: str, at_most: int) -> bool:
        # A mail is counted once, not per attempt.
        return mail.attempts > 1 or await unit.email_changes.admit_mail(
            digest(target), at_most, TARGET_WINDOW
        )


def _notice(mail: Mail, to: str | None, reader: Credential | None) -> OutgoingMail:
    return OutgoingMail(
        id=mail.id,
        kind=mail.kind,
        to=to,
        accept_language=reader.accept_language if reader else "",
        traceparent=mail.traceparent,
    )


def _address(credential: Credential | None) -> str | None:
    if credential is None or not credential.is_active or credential.is_pending:
        return None
    return credential.email


class SendMails(Component):
    """Sends every mail that is due, each at least once; several instances may do it at once.

    A mail leaves the queue when it is handed over. No connection is held meanwhile.

    Attributes:
        postponed: Called with the wait when a mail waits for another attempt.
    """

    units: UnitsOfWork
    tokens: MailTokens
    sender: MailSender
    postponed: Callable[[timedelta], None] | None = None

    async def __call__(self) -> int:
        """Returns how many mails were sent, dropped or delayed.

        Raises:
            Unavailable: Postgres is unreachable.
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
        async with self.units.statements() as unit:
            return await unit.mails.claim(LEASE)

    async def _handle(self, mail: Mail) -> None:
        async with self.units.transaction() as unit:
            outgoing = await AddressMail(self.tokens)(unit, mail)
            if outgoing is None:
                await unit.mails.remove(mail.id)
                return
        try:
            await self.sender(outgoing)
        except Undeliverable:  # Logged by the sender.
            async with self.units.transaction() as unit:
                await unit.mails.note_refused(mail)
        except ServiceError:
            wait = wait_after(mail.attempts)
            async with self.units.statements() as unit:
                await unit.mails.delay(mail.id, wait)
            if self.postponed is not None:
                self.postponed(wait)
        else:
            async with self.units.transaction() as unit:
                # The lock keeps an earlier mail that is being sent from issuing its token afterwards.
                await unit.credentials.lock(mail.user_id)
                await unit.mails.note_delivered(mail)
