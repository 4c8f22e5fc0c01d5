"""Mails to users, and the tokens in them that prove who reads a mailbox.

A token is computed when its mail is sent, from the mail's id, the user and the address it
goes to: neither it nor the address is kept in the queue, sending again sends the same
token, and none outlives a change of the address. What is kept of it is its digest.

A token counts from the moment before its mail goes out, because the server may have delivered
what it did not acknowledge. It ends the tokens of mails asked for before it only once its own
mail has been delivered: until then theirs may be the only links that reached the user.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID, uuid5

TOKEN_LIFETIME = timedelta(hours=1)
"""How long a token counts that somebody asked for who waits for it."""

INVITATION_LIFETIME = timedelta(days=7)
"""How long an invited user may take to choose a password; after that they ask for a new link."""

UNDO_LIFETIME = timedelta(days=7)

FORMER_EMAILS_KEPT = timedelta(days=12)
"""How long a former address is kept: its notice may be put off for five days."""

_NOBODY = UUID("e53a14c5-1a4f-4fd4-8d3c-6c2c5e7a90b1")

_FIRST_WAIT = timedelta(seconds=1)
_WAIT_MAX = timedelta(minutes=5)
_DOUBLINGS_MAX = 20


class MailKind(StrEnum):
    """What a mail is for.

    Kinds without a token tell users what was done to their account, so that they notice
    when it was not they who did it.
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
        """Whether such a mail proves who reads it."""
        return self in OWNERS_TOKENS or self in UNDO_TOKENS

    @property
    def newest_wins(self) -> bool:
        """Whether the token of a mail ends those of earlier ones."""
        return self in OWNERS_TOKENS

    @property
    def undoes(self) -> bool:
        """Whether such a mail goes to the address of that time, and its token restores it."""
        return self in UNDO_TOKENS

    @property
    def token_lifetime(self) -> timedelta:
        """How long the token counts from the latest sending of its mail."""
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
"""Kinds that tell of another address or another way in, and whose token takes it back: each gives
the account to who reads the address that it went to, whatever came after."""

VERIFICATIONS = (MailKind.EMAIL_VERIFICATION, MailKind.EMAIL_CHANGE)
"""Kinds whose token proves an address."""

RESETS = (MailKind.PASSWORD_RESET, MailKind.INVITATION)
"""Kinds whose token sets a password."""

OWNERS_TOKENS = (*VERIFICATIONS, *RESETS)
"""Kinds with a token that a recovery makes useless: it may have been asked for by an intruder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail that waits to be sent.

    Attributes:
        user_id: To whom, at the address the user has when it is sent.
        attempts: How often it was tried, this time included.
        queued_at: When it was asked for; with the id, this orders the mails of a kind.
        superseded: Whether a newer one of the kind waits for the user.
        traceparent: The trace context of what asked for it; empty if there was none.
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
    """What is known of a token that was mailed.

    Attributes:
        mail_id: The mail that it was in.
        is_expired: Whether its time is over, by Postgres' clock.
    """

    mail_id: UUID
    kind: MailKind
    user_id: UUID
    is_expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMail:
    """A mail as it goes out.

    Attributes:
        id: The mail's id, the same on every attempt.
        to: The address, as typed; None for nobody: it is dropped at the last moment, so that
            all the work until then tells nothing of whether there is such a user.
        token: What its link carries; empty where the mail only tells of something.
        traceparent: As the mail's.
    """

    id: UUID
    kind: MailKind
    to: str | None
    token: str = ""
    traceparent: str = ""


def nobody(account: bytes) -> UUID:
    """Returns whom a mail is for that was asked for in the name of an unknown account."""
    return uuid5(_NOBODY, account.hex())


def digest(token: str) -> bytes:
    """Returns what is kept of a token. It holds 256 bits of secret, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def wait_after(attempts: int) -> timedelta:
    """Returns how long a mail waits that could not be sent for the so-manieth time."""
    doubled = 1 << min(attempts - 1, _DOUBLINGS_MAX)
    return min(_FIRST_WAIT * doubled, _WAIT_MAX)


class MailTokens(Protocol):
    """Computes the tokens in mails."""

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token of a mail to this address: the same every time, 256 bits, not to be guessed."""
        ...

    def is_token(self, token: str, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> bool:
        """Whether this is the token of a mail to this address, in the same time whatever differs."""
        ...


class MailSender(Protocol):
    """Takes letters to where they are read."""

    async def __call__(self, letter: OutgoingMail) -> None:
        """Returns when the letter is out of our hands.

        Raises:
            Undeliverable: it never will be.
            Unavailable: it cannot be delivered now.
        """
        ...


class MailRepository(Protocol):
    """Keeps mails until they are sent, and the digests of the tokens in them."""

    async def queue(self, kind: MailKind, user_id: UUID) -> UUID:
        """Adds a mail and, on commit, wakes who sends it; returns its id.

        Costs the same for an id that is nobody's.
        """
        ...

    async def claim(self, lease: timedelta) -> Mail | None:
        """Returns a mail that is due, and keeps it from everybody else for the lease."""
        ...

    async def put_off(self, mail_id: UUID, wait: timedelta) -> None:
        """Lets a mail wait."""
        ...

    async def remove(self, mail_id: UUID) -> None:
        """Removes a mail that will not be sent any more, and leaves tokens as they are."""
        ...

    async def note_delivered(self, mail: Mail) -> None:
        """Removes a mail that was delivered.

        Earlier mails of the kind that still wait are removed as well, and their tokens end: with
        the credential locked, none of them can issue one after.
        """
        ...

    async def note_refused(self, mail: Mail) -> None:
        """Removes a mail that was refused for good, with its token; earlier ones go on counting."""
        ...

    async def withdraw(self, user_id: UUID, *kinds: MailKind) -> None:
        """Removes a user's waiting mails of these kinds and makes their tokens useless.

        With the credential locked, no mail that was claimed before can issue a token after.
        """
        ...

    async def waiting(self, user_id: UUID) -> Sequence[MailKind]:
        """Returns what kinds of mail wait for a user."""
        ...

    async def issue(self, mail: Mail, digest: bytes, lifetime: timedelta) -> bool:
        """Makes a token count from now on, beside those of earlier mails.

        Returns:
            False, with nothing issued, when the mail was withdrawn since it was claimed, or a
            later one of the kind was delivered.
        """
        ...

    async def token(self, digest: bytes) -> MailToken | None:
        """Returns the token with this digest."""
        ...

    async def spend(self, digest: bytes) -> bool:
        """Uses a token up; says whether it still counted."""
        ...
