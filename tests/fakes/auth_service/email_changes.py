"""Addresses on their way in and out, in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from auth_service.domain.email_change import FormerEmail
from chassis.email_address import canonical_email

from tests.fakes.auth_service.state import FakeClock, State


class FakeEmailChanges:
    """`EmailChangeRepository` in dictionaries."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._clock = clock

    async def pending(self, user_id: UUID) -> str | None:
        """Returns the address that a user has asked for."""
        return self._state.pending_emails.get(user_id)

    async def set_pending(self, user_id: UUID, email: str | None) -> None:
        """Copies the address that a user has asked for."""
        self._state.pending_emails.pop(user_id, None)
        if email is not None:
            self._state.pending_emails[user_id] = email

    async def drop_pending(self, user_id: UUID) -> bool:
        """Gives up the address that a user has asked for; user-service has yet to be told."""
        email = self._state.credentials[user_id].credential.email
        if self._state.pending_emails.pop(user_id, None) is None or email is None:
            return False
        self._state.restored_emails[user_id] = email
        return True

    async def keep_former(self, mail_id: UUID, user_id: UUID, email: str, lifetime: timedelta) -> None:
        """Keeps an address for the link in a mail."""
        kept_at = self._clock.now() + len(self._state.former_emails) * timedelta(microseconds=1)
        self._state.former_emails[mail_id] = FormerEmail(
            mail_id=mail_id, user_id=user_id, email=email, kept_at=kept_at, expires_at=kept_at + lifetime
        )

    async def former(self, mail_id: UUID) -> FormerEmail | None:
        """Returns the address that a mail goes to."""
        return self._state.former_emails.get(mail_id)

    async def all_former(self, user_id: UUID) -> Sequence[FormerEmail]:
        """Returns every address that a user could restore."""
        return [each for each in self._state.former_emails.values() if each.user_id == user_id]

    async def restore(self, former: FormerEmail) -> None:
        """Makes a former address the credential's, proven, with none pending."""
        for each in await self.all_former(former.user_id):
            if each.kept_at >= former.kept_at or each.email == former.email:
                del self._state.former_emails[each.mail_id]
                self._state.mail_tokens.pop(each.mail_id, None)
                self._state.mails.pop(each.mail_id, None)
        row = self._state.credentials[former.user_id]
        row.canonical = canonical_email(former.email)
        row.credential = replace(row.credential, email=former.email, email_verified=True)
        self._state.pending_emails.pop(former.user_id, None)
        self._state.restored_emails[former.user_id] = former.email

    async def restored(self, user_id: UUID) -> str | None:
        """Returns a restored address that user-service has yet to know."""
        return self._state.restored_emails.get(user_id)

    async def note_restored(self, user_id: UUID, email: str) -> None:
        """Notes that user-service knows."""
        if self._state.restored_emails.get(user_id) == email:
            del self._state.restored_emails[user_id]

    async def admit_mail(self, target: bytes, at_most: int, window: timedelta) -> bool:
        """Counts a mail to a target; says whether it may be sent."""
        sent = self._state.mail_targets.setdefault(target, [])
        sent[:] = [at for at in sent if at > self._clock.now() - window]
        if len(sent) >= at_most:
            return False
        sent.append(self._clock.now())
        return True
