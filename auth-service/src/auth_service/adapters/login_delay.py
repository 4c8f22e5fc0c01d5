"""Delays logins at accounts whose password is being guessed, with bounded numbers of waiting calls."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field

from chassis.dataclass import dataclass
from prometheus_client import Gauge

from auth_service.domain.errors import TooManyAttempts
from auth_service.domain.login_throttle import FAILURES_MAX, ThrottleKey

WAITING_MAX = 2_048
WAITING_PER_ACCOUNT_MAX = 256
TURNS_WAITING_MAX = 64

_WAITING = Gauge("auth_guesses_waiting", "Logins delayed because their account's password is being guessed.")


@dataclass(slots=True)
class _Lane:
    """The logins of one client at one account."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FAILURES_MAX))
    logins: int = 0


class InProcessLoginDelay:
    """Counts the waiting calls of this process: in all, per account and per client."""

    def __init__(
        self, waiting_max: int = WAITING_MAX, *, waiting_per_account_max: int = WAITING_PER_ACCOUNT_MAX
    ) -> None:
        """Starts with no waiting call.

        Args:
            waiting_max: Calls that may be delayed at the same time.
            waiting_per_account_max: The same, for one account.
        """
        self._waiting_max = waiting_max
        self._waiting_per_account_max = waiting_per_account_max
        self._waiting: Counter[bytes] = Counter()
        self._lanes: dict[ThrottleKey, _Lane] = {}
        _WAITING.set_function(self._waiting.total)

    @asynccontextmanager
    async def turn(self, key: ThrottleKey) -> AsyncIterator[None]:
        """Waits while as many logins of this client at this account are under way as it has failures left.

        Raises:
            TooManyAttempts: too many of them wait already.
        """
        lane = self._lanes.setdefault(key, _Lane())
        if lane.logins >= FAILURES_MAX + TURNS_WAITING_MAX:
            raise TooManyAttempts(retry_after_seconds=1)
        lane.logins += 1
        try:
            async with lane.places:
                yield
        finally:
            lane.logins -= 1
            if not lane.logins:
                del self._lanes[key]

    async def __call__(self, seconds: float, key: ThrottleKey, *, is_first: bool) -> None:
        """Returns after that time; at once for 0. The first try of a client needs no place.

        Raises:
            TooManyAttempts: too many calls wait for this account, or in all.
        """
        if seconds <= 0:
            return
        if is_first:
            await asyncio.sleep(seconds)
            return
        full = self._waiting.total() >= self._waiting_max
        if full or self._waiting[key.account] >= self._waiting_per_account_max:
            raise TooManyAttempts(retry_after_seconds=math.ceil(seconds))
        self._waiting[key.account] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting[key.account] -= 1
            if not self._waiting[key.account]:
                del self._waiting[key.account]
