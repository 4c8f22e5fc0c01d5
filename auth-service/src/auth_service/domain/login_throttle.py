"""Login throttle: wrong passwords are counted by account and client.

A client is refused after `FAILURES_MAX`. Responses for an account that many clients guess at are delayed.
"""

import math
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass

from auth_service.domain.credential import Credential

FAILURES_MAX = 5
"""Wrong passwords per client and account within `WINDOW`."""

WINDOW = timedelta(minutes=15)
BLOCK = timedelta(minutes=15)

_FREE_FAILURES = 5
_DELAY_SECONDS_EACH = 0.5
_DELAY_SECONDS_MAX = 10.0
_FIRST_DELAY_SECONDS_MAX = 1.0


@dataclass(frozen=True, slots=True)
class ThrottleKey:
    """HMACs of an account and a client.

    Attributes:
        former_accounts: The account's HMACs under the other accepted master keys.
    """

    account: bytes
    client: bytes
    former_accounts: tuple[bytes, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """The failures of a client and an account.

    Attributes:
        blocked_for: How long this client is refused; None when it is not blocked.
        failures: Wrong passwords for this account within `WINDOW`, by all clients.
        counted_at: When the attempt that is about to be made was counted; None when it was not, since
            the client's attempts are used up or running.
        is_first: Whether that attempt is the client's only one within `WINDOW`.
    """

    blocked_for: timedelta | None = None
    failures: int = 0
    counted_at: datetime | None = None
    is_first: bool = False


def whole_seconds(wait: timedelta) -> float:
    """Returns the time for `Retry-After`: whole seconds, at least one."""
    return float(max(1, math.ceil(wait.total_seconds())))


def delay_seconds(throttle: ThrottleState) -> float:
    """Returns how long the response for an account is delayed.

    A single client is refused after `FAILURES_MAX`, before any delay: this slows down guessing by many
    clients without locking the account's owner out. The first attempt of a client, which may be the
    owner's, waits for a second at most.
    """
    most = _FIRST_DELAY_SECONDS_MAX if throttle.is_first else _DELAY_SECONDS_MAX
    return min(most, max(0, throttle.failures - _FREE_FAILURES) * _DELAY_SECONDS_EACH)


class ThrottleKeys(Protocol):
    """Derives HMAC keys for the failed-login table."""

    def __call__(self, canonical_email: str, client_address: str) -> ThrottleKey:
        """Returns the key of an account and a client."""
        ...

    def of(self, credential: Credential, client_address: str) -> ThrottleKey:
        """Returns the key of a credential's account and a client."""
        ...

    def of_second_factor(self, user_id: UUID) -> ThrottleKey:
        """Returns the key under which a user's wrong codes are counted, for all clients."""
        ...


class LoginThrottleRepository(Protocol):
    """Counts failures by account and client."""

    async def state(self, key: ThrottleKey) -> ThrottleState:
        """Returns the current failures."""
        ...

    async def reserve(self, key: ThrottleKey) -> ThrottleState:
        """Counts an attempt in advance, if the client has one left, and returns the failures before it.

        Of concurrent attempts, no more are counted than the client has left.
        """
        ...

    async def confirm_failure(self, key: ThrottleKey) -> None:
        """Confirms that a counted attempt failed: blocks the client if it has none left."""
        ...

    async def release(self, key: ThrottleKey, counted_at: datetime) -> None:
        """Uncounts an attempt that was not made."""
        ...

    async def count_failure(self, key: ThrottleKey) -> ThrottleState:
        """Counts a failure, and blocks the client if it was one too many."""
        ...

    async def reset(self, key: ThrottleKey) -> None:
        """Deletes the client's failures, unless it is blocked."""
        ...

    async def erase(self, account: bytes) -> None:
        """Deletes all failures of an account."""
        ...


class LoginDelay(Protocol):
    """Delays attempts, without holding a connection or a place in the hashing pool.

    Waiting places are bounded per account and per client, so that attackers of one account take no
    places from others, nor from a client that has not tried yet.
    """

    def turn(self, key: ThrottleKey) -> AbstractAsyncContextManager[None]:
        """Bounds the concurrent attempts of one client at one account by the number that it has left.

        The others wait, since an attempt before them may be right.

        Raises:
            TooManyAttempts: too many wait already.
        """
        ...

    async def __call__(self, seconds: float, key: ThrottleKey, *, is_first: bool) -> None:
        """Returns after that time.

        Args:
            seconds: The delay; 0 for none.
            key: The account and the client.
            is_first: Whether it is the client's first attempt, which is never refused.

        Raises:
            TooManyAttempts: too many wait for this account, or in all.
        """
        ...
