"""Mails to users, and the tokens in them that prove control of a mailbox.

A token is computed when its mail is sent, from the mail's id, the user and the address: neither token
nor address is stored in the queue, another attempt sends the same token, and no token outlives a change
of the address. Only its digest is stored.

A token is valid from just before its mail is sent, because the server may deliver a mail without
acknowledging it. It ends the tokens of earlier mails only once its own mail is delivered: until then
theirs may be the only ones that reached the user.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID, uuid5

from chassis.dataclass import dataclass

TOKEN_LIFETIME = timedelta(hours=1)
"""How long a token is valid that a user requested and waits for."""

INVITATION_LIFETIME = timedelta(days=7)
"""How long an invitation is valid; after that the user requests a new link."""

UNDO_LIFETIME = timedelta(days=7)

FORMER_EMAILS_KEPT = timedelta(days=12)
"""How long a former address is stored: its notice may be delayed for five days."""

_UNKNOWN = UUID("e53a14c5-1a4f-4fd4-8d3c-6c2c5e7a90b1")

_FIRST_WAIT = timedelta(seconds=1)
_WAIT_MAX = timedelta(minutes=5)
_DOUBLINGS_MAX = 20


class MailKind(StrEnum):
    """What a mail is for.

    Kinds without a token notify users of changes to their account, which may be an intruder's.
    """

    EMAIL_VERIFICATION = "email_verification"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - not a password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    SECOND_FACTOR_ON = "second_factor_on"
    SECOND_FACTOR_OFF = "second_factor_off"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"
    PASSWORD_RECOVERED = "password_recovered"  # noqa: S105
    INVITATION = "invitation"
    SESSIONS_ENDED = "sessions_ended"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    SECOND_FACTOR_GUESSED = "second_factor_guessed"
    NEW_DEVICE = "new_device"
    EMAIL_CHANGE = "email_change"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    EMAIL_IN_USE = "email_in_use"

    @property
    def has_token(self) -> bool:
        """Whether such a mail has a token."""
        return self in OWNERS_TOKENS or self in UNDO_TOKENS

    @property
    def newest_wins(self) -> bool:
        """Whether a mail's token ends those of earlier mails."""
        return self in OWNERS_TOKENS

    @property
    def undoes(self) -> bool:
        """Whether such a mail goes to the address before the change, and its token restores that."""
        return self in UNDO_TOKENS

    @property
    def token_lifetime(self) -> timedelta:
        """How long the token is valid from the last attempt to send its mail."""
        if self is MailKind.INVITATION:
            return INVITATION_LIFETIME
        return UNDO_LIFETIME if self.undoes else TOKEN_LIFETIME


EMAIL_NOTICES = (MailKind.EMAIL_CHANGE_REQUESTED, MailKind.EMAIL_CHANGED)

UNDO_TOKENS = (
    *EMAIL_NOTICES,
    MailKind.SECOND_FACTOR_ON,
    MailKind.PASSKEY_ADDED,
    MailKind.API_KEY_CREATED,
)
"""Notices of a new address or a new way in, whose token undoes it: each gives the account back to the
owner of the mailbox that it was sent to, whatever happened since."""

VERIFICATIONS = (MailKind.EMAIL_VERIFICATION, MailKind.EMAIL_CHANGE)
"""Kinds whose token proves an address."""

RESETS = (MailKind.PASSWORD_RESET, MailKind.INVITATION)
"""Kinds whose token sets a password."""

OWNERS_TOKENS = (*VERIFICATIONS, *RESETS)
"""Kinds with a token that a recovery ends: an intruder may have requested it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail that waits to be sent.

    Attributes:
        user_id: The recipient; the address is read when the mail is sent.
        attempts: Attempts to send it, this one included.
        queued_at: When it was queued; with the id, this orders the mails of a kind.
        superseded: Whether a newer mail of the kind is queued for the user.
        traceparent: The trace context of the call that queued it; empty without one.
    """

    id: UUID
    kind: MailKind
    user_id: UUID
    attempts: int
    queued_at: datetime
    superseded: bool
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailToken:
    """A token that was mailed.

    Attributes:
        mail_id: The token's mail.
        is_expired: Whether it has expired, by Postgres' clock.
    """

    mail_id: UUID
    kind: MailKind
    user_id: UUID
    is_expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """A mail as it is sent.

    Attributes:
        id: The mail's id, the same for every attempt.
        to: The address, as typed; None for an unknown recipient: the mail is dropped at the last moment,
            so that the work until then does not reveal whether the user exists.
        token: The token of its link; empty for a mere notice.
        accept_language: The languages that the user prefers, as in `Accept-Language`; empty when unknown.
        traceparent: The mail's.
    """

    id: UUID
    kind: MailKind
    to: str | None
    token: str = ""
    accept_language: str = ""
    traceparent: str = ""


def unknown_recipient(account: bytes) -> UUID:
    """Returns the recipient of a mail that is requested for an unknown account."""
    return uuid5(_UNKNOWN, account.hex())


def digest(token: str) -> bytes:
    """Returns a token's digest. The token has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def wait_after(attempts: int) -> timedelta:
    """Returns how long a mail waits after that many failed attempts."""
    doubled = 1 << min(attempts - 1, _DOUBLINGS_MAX)
    return min(_FIRST_WAIT * doubled, _WAIT_MAX)


class MailTokens(Protocol):
    """Computes the tokens in mails."""

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token of a mail to this address: 256 secret bits, the same every time."""
        ...

    def is_token(self, token: str, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> bool:
        """Whether this is the token of a mail to this address; takes constant time."""
        ...


class MailSender(Protocol):
    """Sends mails."""

    async def __call__(self, mail: OutgoingMail) -> None:
        """Returns when the mail is handed over.

        Raises:
            Undeliverable: it is refused permanently.
            Unavailable: it cannot be sent now.
        """
        ...


class MailRepository(Protocol):
    """Stores mails until they are sent, and the digests of their tokens."""

    async def queue(self, kind: MailKind, user_id: UUID) -> UUID:
        """Adds a mail and, on commit, notifies the sender; returns the mail's id.

        Costs the same for an unknown recipient.
        """
        ...

    async def claim(self, lease: timedelta) -> Mail | None:
        """Returns a mail that is due, and reserves it for the lease."""
        ...

    async def delay(self, mail_id: UUID, wait: timedelta) -> None:
        """Delays a mail."""
        ...

    async def remove(self, mail_id: UUID) -> None:
        """Removes a mail that is not to be sent, and leaves its tokens as they are."""
        ...

    async def note_delivered(self, mail: Mail) -> None:
        """Removes a mail that was delivered, and earlier ones of its kind with their tokens.

        With the credential locked, none of them can issue a token afterwards.
        """
        ...

    async def note_refused(self, mail: Mail) -> None:
        """Removes a mail that was refused permanently, with its token; earlier tokens stay valid."""
        ...

    async def withdraw(self, user_id: UUID, *kinds: MailKind) -> None:
        """Removes a user's queued mails of these kinds, and their tokens.

        With the credential locked, no mail that was claimed before can issue a token afterwards.
        """
        ...

    async def waiting(self, user_id: UUID) -> Sequence[MailKind]:
        """Returns the kinds of the mails that are queued for a user."""
        ...

    async def issue(self, mail: Mail, digest: bytes, lifetime: timedelta) -> bool:
        """Makes a token valid from now on, beside those of earlier mails.

        Returns:
            False, with nothing issued, if the mail was withdrawn since it was claimed, or a later one of
            the kind was delivered.
        """
        ...

    async def token(self, digest: bytes) -> MailToken | None:
        """Returns the token with this digest."""
        ...

    async def spend(self, digest: bytes) -> bool:
        """Deletes a token; says whether it was still valid."""
        ...
