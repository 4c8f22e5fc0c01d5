"""Login throttle: wrong passwords are counted by account and client."""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from auth_service.domain.credential import Credential

FAILURES_MAX = 5
"""Wrong passwords that one client may send for one account within `WINDOW`."""

WINDOW = timedelta(minutes=15)
BLOCK = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ThrottleKey:
    """Names an account and a client, neither of them legibly.

    Attributes:
        former_accounts: The account's names under other master keys that are accepted.
    """

    account: bytes
    client: bytes
    former_accounts: tuple[bytes, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class ThrottleState:
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


def whole_seconds(wait: timedelta) -> float:
    """Returns the wait as `Retry-After` says it: whole seconds, at least one."""
    return float(max(1, math.ceil(wait.total_seconds())))


class ThrottleKeys(Protocol):
    """Names accounts and clients illegibly."""

    def __call__(self, canonical_email: str, client_address: str) -> ThrottleKey:
        """Returns the names of an account and a client."""
        ...

    def of(self, credential: Credential, client_address: str) -> ThrottleKey:
        """Returns the names of a credential's account and a client."""
        ...

    def of_second_factor(self, user_id: UUID) -> ThrottleKey:
        """Returns the name under which a user's wrong codes are counted, by whichever client."""
        ...


class LoginThrottleRepository(Protocol):
    """Counts wrong passwords by account and client."""

    async def state(self, key: ThrottleKey) -> ThrottleState:
        """Returns what is held against the client and the account now."""
        ...

    async def reserve(self, key: ThrottleKey) -> ThrottleState:
        """Counts a guess before it is made, if the client has one left, and returns what is held.

        Of guesses at the same time no more are counted than a client has.
        """
        ...

    async def confirm_failure(self, key: ThrottleKey) -> None:
        """Blocks the client when its guesses are used up; to be called when one was wrong."""
        ...

    async def release(self, key: ThrottleKey, counted_at: datetime) -> None:
        """Takes back a guess that was counted and not made."""
        ...

    async def count_failure(self, key: ThrottleKey) -> ThrottleState:
        """Counts a wrong guess, and blocks the client when it has made too many."""
        ...

    async def reset(self, key: ThrottleKey) -> timedelta | None:
        """Forgets the client's failures, unless it is blocked: then returns for how long."""
        ...

    async def erase(self, account: bytes) -> None:
        """Forgets everything about an account."""
        ...
