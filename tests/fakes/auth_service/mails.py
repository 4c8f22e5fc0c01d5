"""Mails, their tokens and verified addresses in memory."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from auth_service.domain.mail import Mail, MailKind, MailToken
from chassis.ids import uuid7

from tests.fakes.auth_service.state import FakeClock, MailRow, MailTokenRow, State

_ORDER = itertools.count()
"""The clock stands still, and what is asked for later is later."""


class FakeMails:
    """`MailRepository` in dictionaries."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._mails = state.mails
        self._tokens = state.mail_tokens
        self._credentials = state.credentials
        self._clock = clock

    async def queue(self, kind: MailKind, user_id: UUID) -> UUID:
        """Adds a mail."""
        mail_id = uuid7()
        now = self._clock.now()
        queued_at = now + next(_ORDER) * timedelta(microseconds=1)
        self._mails[mail_id] = MailRow(kind, user_id, due_at=now, queued_at=queued_at)
        return mail_id

    async def claim(self, lease: timedelta) -> Mail | None:
        """Returns a mail that is due."""
        due = [key for key, row in self._mails.items() if row.due_at <= self._clock.now()]
        if not due:
            return None
        mail_id = min(due, key=lambda key: self._mails[key].due_at)
        row = self._mails[mail_id]
        row.due_at, row.attempts = self._clock.now() + lease, row.attempts + 1
        later = list(self._mails)[list(self._mails).index(mail_id) + 1 :]
        return Mail(
            id=mail_id,
            kind=row.kind,
            user_id=row.user_id,
            attempts=row.attempts,
            queued_at=row.queued_at,
            superseded=any(
                self._mails[each].user_id == row.user_id and self._mails[each].kind is row.kind
                for each in later
            ),
        )

    async def delay(self, mail_id: UUID, wait: timedelta) -> None:
        """Lets a mail wait."""
        if mail_id in self._mails:
            self._mails[mail_id].due_at = self._clock.now() + wait

    async def remove(self, mail_id: UUID) -> None:
        """Removes a mail."""
        self._mails.pop(mail_id, None)

    async def note_delivered(self, mail: Mail) -> None:
        """Removes a mail that was delivered; ends what was asked for before it."""
        await self.remove(mail.id)
        if not mail.kind.newest_wins:
            return
        rows: dict[UUID, MailRow | MailTokenRow] = {**self._tokens, **self._mails}
        for key, row in rows.items():
            if (row.user_id, row.kind) == (mail.user_id, mail.kind) and row.queued_at < mail.queued_at:
                self._mails.pop(key, None)
                self._tokens.pop(key, None)

    async def note_refused(self, mail: Mail) -> None:
        """Removes a mail that was refused for good, with its token."""
        await self.remove(mail.id)
        self._tokens.pop(mail.id, None)

    async def withdraw(self, user_id: UUID, *kinds: MailKind) -> None:
        """Removes a user's waiting mails of these kinds and makes their tokens useless."""
        for key in [key for key, row in self._mails.items() if row.user_id == user_id and row.kind in kinds]:
            del self._mails[key]
        for key, token in list(self._tokens.items()):
            if token.user_id == user_id and token.kind in kinds:
                del self._tokens[key]

    async def waiting(self, user_id: UUID) -> Sequence[MailKind]:
        """Returns what kinds of mail wait for a user."""
        return [row.kind for row in self._mails.values() if row.user_id == user_id]

    async def issue(self, mail: Mail, digest: bytes, lifetime: timedelta) -> bool:
        """Makes a token count from now on."""
        if mail.id not in self._mails:
            return False
        assert mail.user_id in self._credentials, "only users have tokens"
        until = self._clock.now() + lifetime
        self._tokens[mail.id] = MailTokenRow(mail.user_id, mail.kind, digest, mail.queued_at, until)
        return True

    async def token(self, digest: bytes) -> MailToken | None:
        """Returns the token with this digest."""
        for mail_id, row in self._tokens.items():
            if row.digest == digest:
                expired = row.expires_at <= self._clock.now()
                return MailToken(mail_id=mail_id, kind=row.kind, user_id=row.user_id, is_expired=expired)
        return None

    async def spend(self, digest: bytes) -> bool:
        """Uses a token up; says whether it still counted."""
        known = await self.token(digest)
        if known is None or known.is_expired:
            return False
        del self._tokens[known.mail_id]
        return True


class FakeEmails:
    """`EmailRepository` in the rows of credentials."""

    def __init__(self, state: State) -> None:
        self._rows = state.credentials

    async def verify(self, user_id: UUID) -> bool:
        """Notes that a user's present address is verified; says whether that is new."""
        row = self._rows.get(user_id)
        if row is None or row.credential.email is None or row.credential.email_verified:
            return False
        row.credential = replace(row.credential, email_verified=True)
        return True

    async def verified(self, user_id: UUID) -> str | None:
        """Returns a user's address if it is verified."""
        row = self._rows.get(user_id)
        return row.credential.email if row and row.credential.email_verified else None
