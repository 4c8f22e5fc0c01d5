"""Login throttle: wrong passwords are counted by account and client."""

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from auth_service.domain.credential import Credential

FAILURES_MAX = 5
"""Wrong passwords per client and account within `WINDOW`."""

WINDOW = timedelta(minutes=15)
BLOCK = timedelta(minutes=15)


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

    async def reset(self, key: ThrottleKey) -> timedelta | None:
        """Deletes the client's failures, unless it is blocked: then returns for how long."""
        ...

    async def erase(self, account: bytes) -> None:
        """Deletes all failures of an account."""
        ...
