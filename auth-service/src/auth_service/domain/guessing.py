"""Guessing passwords: who is made to wait, and for how long."""

import math
from dataclasses import dataclass
from datetime import timedelta

FAILURES_MAX = 5
"""Wrong passwords that one client may send for one account within `WINDOW`."""

WINDOW = timedelta(minutes=15)
BLOCK = timedelta(minutes=15)

_FREE_FAILURES = 5
_DELAY_SECONDS_EACH = 0.5
_DELAY_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class GuessKey:
    """Names an account and a client, neither of them legibly."""

    account: bytes
    client: bytes


@dataclass(frozen=True, slots=True)
class GuessRecord:
    """What is held against a client and an account.

    Attributes:
        blocked_for: How long this client is refused; None when it is not.
        failures: Wrong passwords for this account within `WINDOW`, by all clients.
    """

    blocked_for: timedelta | None = None
    failures: int = 0


def delay_seconds(failures: int) -> float:
    """Returns how long an answer for an account is held back.

    One client alone never gets here, since it is refused after `FAILURES_MAX`: this slows
    down guessing that comes from many clients, without locking the account's owner out.
    """
    return min(_DELAY_SECONDS_MAX, max(0, failures - _FREE_FAILURES) * _DELAY_SECONDS_EACH)


def whole_seconds(wait: timedelta) -> float:
    """Returns the wait as `Retry-After` says it: whole seconds, at least one."""
    return float(max(1, math.ceil(wait.total_seconds())))
