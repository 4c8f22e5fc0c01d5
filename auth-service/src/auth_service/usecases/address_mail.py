"""One step of sending mails: to whom a mail goes, with what token, and whether it goes at all."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis.email_address import canonical_email

from auth_service.domain.credential import Credential
from auth_service.domain.email_change import MAILS_TO_ONE_TARGET_MAX, TARGET_WINDOW
from auth_service.domain.mail import EMAIL_NOTICES, Letter, Mail, MailKind, digest
from auth_service.domain.mail_ports import MailTokens
from auth_service.domain.stores import Stores

LEASE = timedelta(minutes=2)
"""How long a mail is left to whoever claimed it: longer than any delivery lasts."""

TO_ONE_USER_MAX = 10
"""How many mails of one kind with a token a user gets within an hour; the last one's link works."""

_NO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class AddressMail:
    """Reads addresses at the last moment: mails go to what is stored then."""

    tokens: MailTokens

    async def __call__(self, stores: Stores, mail: Mail) -> Letter | None:
        """Returns the mail as it goes out, its token counting from now on; None when it is not to."""
        credential = await stores.credentials.lock(mail.user_id)
        if mail.superseded and mail.kind.newest_wins:
            return None
        if mail.kind is MailKind.EMAIL_CHANGE:
            return await self._to_pending(stores, mail, credential)
        if mail.kind.undoes:
            former = await stores.email_changes.former(mail.id)
            if former is not None:
                return await self._letter(stores, mail, former.email)
            # Queued by the release before, which tells without a link; or undone meanwhile.
            to = None if mail.kind in EMAIL_NOTICES else _address(credential)
            return None if to is None else _notice(mail, to)
        to = _address(credential)
        if mail.kind.has_token:
            return await self._to_user(stores, mail, to)
        return None if to is None else _notice(mail, to)

    async def _to_user(self, stores: Stores, mail: Mail, to: str | None) -> Letter | None:
        if mail.kind is MailKind.EMAIL_VERIFICATION and await stores.emails.verified(mail.user_id):
            return None
        target = self.tokens(mail.kind, _NO_ID, mail.user_id, "")
        if not await self._admits(stores, mail, target, TO_ONE_USER_MAX):
            return None
        return await self._letter(stores, mail, to)

    async def _to_pending(self, stores: Stores, mail: Mail, credential: Credential | None) -> Letter | None:
        """Returns the proof of an address that is asked for, or the notice to whoever has it already.

        Both cost the same, and what is kept of them is the same, so that nobody who asks for an
        address learns whether it is somebody's: a taken one has a token that is mailed to nobody.
        """
        pending = await stores.email_changes.pending(mail.user_id)
        if pending is None or _address(credential) is None:
            return None
        target = self.tokens(mail.kind, _NO_ID, _NO_ID, pending)
        if not await self._admits(stores, mail, target, MAILS_TO_ONE_TARGET_MAX):
            return None
        owner = await stores.credentials.by_email(canonical_email(pending))
        letter = await self._letter(stores, mail, pending)
        if letter is None or owner is None or owner.is_pending or owner.user_id == mail.user_id:
            return letter
        return _notice(mail, _address(owner), MailKind.EMAIL_IN_USE)

    async def _letter(self, stores: Stores, mail: Mail, to: str | None) -> Letter | None:
        token = self.tokens(mail.kind, mail.id, mail.user_id, to or "")
        if to is None:
            await stores.mails.put_off(mail.id, LEASE)  # A write for a write.
        elif not await stores.mails.issue(mail, digest(token), mail.kind.token_lifetime):
            return None
        return Letter(id=mail.id, kind=mail.kind, to=to, token=token, traceparent=mail.traceparent)

    async def _admits(self, stores: Stores, mail: Mail, target: str, at_most: int) -> bool:
        # A mail is counted once, however often it is tried.
        return mail.attempts > 1 or await stores.email_changes.admit_mail(
            digest(target), at_most, TARGET_WINDOW
        )


def _notice(mail: Mail, to: str | None, kind: MailKind | None = None) -> Letter:
    return Letter(id=mail.id, kind=kind or mail.kind, to=to, traceparent=mail.traceparent)


def _address(credential: Credential | None) -> str | None:
    if credential is None or not credential.is_active or credential.is_pending:
        return None
    return credential.email
