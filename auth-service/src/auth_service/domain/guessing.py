"""Guessing passwords: who is made to wait, and for how long."""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FAILURES_MAX = 5
"""Wrong passwords that one client may send for one account within `WINDOW`."""

WINDOW = timedelta(minutes=15)
BLOCK = timedelta(minutes=15)

_FREE_FAILURES = 5
_DELAY_SECONDS_EACH = 0.5
_DELAY_SECONDS_MAX = 10.0
_FIRST_DELAY_SECONDS_MAX = 1.0


@dataclass(frozen=True, slots=True)
class GuessKey:
    """Names an account and a client, neither of them legibly.

    Attributes:
        former_accounts: The account's names under other master keys that are accepted.
    """

    account: bytes
    client: bytes
    former_accounts: tuple[bytes, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class GuessRecord:
    """What is held against a client and an account.

    Attributes:
        blocked_for: How long this client is refused; None when it is not.
        failures: Wrong passwords for this account within `WINDOW`, by all clients.
        counted_at: When the guess that is about to be made was counted; None when it was not, since
            the client's guesses are used up or under way.
        is_first: Whether that guess is the client's only one within `WINDOW`.
    """

    blocked_for: timedelta | None = None
    failures: int = 0
    counted_at: datetime | None = None
    is_first: bool = False


def delay_seconds(record: GuessRecord) -> float:
    """Returns how long an answer for an account is held back.

    One client alone never gets here, since it is refused after `FAILURES_MAX`: this slows
    down guessing that comes from many clients, without locking the account's owner out. The
    first try of a client, which may be the owner's, waits for a second at most.
    """
    most = _FIRST_DELAY_SECONDS_MAX if record.is_first else _DELAY_SECONDS_MAX
    return min(most, max(0, record.failures - _FREE_FAILURES) * _DELAY_SECONDS_EACH)


def whole_seconds(wait: timedelta) -> float:
    """Returns the wait as `Retry-After` says it: whole seconds, at least one."""
    return float(max(1, math.ceil(wait.total_seconds())))
