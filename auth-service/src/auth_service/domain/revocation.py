"""Which ways into an account each change of it ends.

Every caller of `end_access` passes one of the sets below, and nothing else decides what a change
ends; docs/account-recovery.md has them as a table.
"""

from enum import Flag, auto


class Access(Flag):
    """A way into an account, or something that may become one."""

    SESSIONS = auto()
    """Open sessions with their access and refresh tokens."""

    API_KEYS = auto()

    PASSKEYS = auto()

    SECOND_FACTOR = auto()
    """The confirmed authenticator and its recovery codes."""

    UNFINISHED = auto()
    """Sign-ins that wait for a code, unconfirmed authenticators, open passkey challenges."""

    MAILED_TOKENS = auto()
    """Tokens in mails, except those of undo links, which belong to the owner of an earlier state."""

    STORED_RESPONSES = auto()
    """Responses stored for `Idempotency-Key`, which may hold tokens."""

    PENDING_EMAIL = auto()
    """A requested address that is not verified yet."""

    KNOWN_DEVICES = auto()
    """Devices whose sign-ins cause no notice."""


PASSWORD_CHANGED = Access.SESSIONS | Access.UNFINISHED | Access.STORED_RESPONSES
"""All sessions but the one that changed it. Reset tokens depend on the old hash and end with it."""

PASSWORD_RESET = (
    Access.SESSIONS
    | Access.API_KEYS
    | Access.PASSKEYS
    | Access.UNFINISHED
    | Access.MAILED_TOKENS
    | Access.STORED_RESPONSES
    | Access.PENDING_EMAIL
    | Access.KNOWN_DEVICES
)
"""The owner of the mailbox takes the account over. The second factor stays: a mailbox alone must
not open an account with two factors. An admin can remove it."""

DEACTIVATED = Access.SESSIONS | Access.UNFINISHED | Access.MAILED_TOKENS | Access.STORED_RESPONSES
"""API keys and passkeys are refused for as long as the account is deactivated."""

SESSIONS_ENDED = Access.SESSIONS | Access.UNFINISHED | Access.STORED_RESPONSES
"""The user signs out everywhere, or an admin signs the user out."""

SECOND_FACTOR_REMOVED = Access.SECOND_FACTOR | Access.UNFINISHED | Access.STORED_RESPONSES
"""An admin helps a user who lost the authenticator."""

UNDONE = PASSWORD_RESET | Access.SECOND_FACTOR
"""The owner of the account undoes an intruder's change."""
