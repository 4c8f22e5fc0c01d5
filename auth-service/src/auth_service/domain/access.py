"""What ends with what: how far each change of an account reaches into the ways into it.

Every caller of `end_access` names one of the extents below, and nothing else decides what an
event ends; docs/account-recovery.md shows them as a table.
"""

from enum import Flag, auto


class Access(Flag):
    """What lets somebody into an account, or may yet become a way in."""

    SESSIONS = auto()
    """Open sessions with their access and refresh tokens."""

    API_KEYS = auto()

    PASSKEYS = auto()

    SECOND_FACTOR = auto()
    """The confirmed authenticator and its recovery codes."""

    UNFINISHED = auto()
    """What was begun: sign-ins that wait for a code, authenticators not confirmed, passkey challenges."""

    MAILED_TOKENS = auto()
    """Tokens in mails, those of undo links excepted: they are for the owner of a former state."""

    KEPT_ANSWERS = auto()
    """First answers kept for `Idempotency-Key`, which may hold tokens."""

    PENDING_EMAIL = auto()
    """An address that was asked for and not proven yet."""

    KNOWN_DEVICES = auto()
    """Devices whose sign-ins are not told of by mail."""


PASSWORD_CHANGED = Access.SESSIONS | Access.UNFINISHED | Access.KEPT_ANSWERS
"""Of the sessions, all but the one that changed it. Tokens for a new password go by themselves."""

PASSWORD_RESET = (
    Access.SESSIONS
    | Access.API_KEYS
    | Access.PASSKEYS
    | Access.UNFINISHED
    | Access.MAILED_TOKENS
    | Access.KEPT_ANSWERS
    | Access.PENDING_EMAIL
    | Access.KNOWN_DEVICES
)
"""The owner of the mailbox takes the account over. The second factor stays: a mailbox alone must
not open an account that asks for two factors. An admin can remove it."""

DEACTIVATED = Access.SESSIONS | Access.UNFINISHED | Access.MAILED_TOKENS | Access.KEPT_ANSWERS
"""API keys and passkeys are refused for as long as the account is deactivated."""

SESSIONS_ENDED = Access.SESSIONS | Access.UNFINISHED | Access.KEPT_ANSWERS
"""The user signs out everywhere, or an admin ends the user's sessions."""

SECOND_FACTOR_REMOVED = Access.SECOND_FACTOR | Access.UNFINISHED | Access.KEPT_ANSWERS
"""An admin lets somebody in who lost the authenticator."""

UNDONE = PASSWORD_RESET | Access.SECOND_FACTOR
"""The owner of the account says that a change was not theirs."""
