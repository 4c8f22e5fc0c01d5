"""Waiting that is cheap, and bounded all the same: everywhere, for each account, and for each client."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import Gauge

from auth_service.domain.errors import TooManyAttempts
from auth_service.domain.login_throttle import FAILURES_MAX, GuessKey

WAITING_MAX = 2_048
WAITING_PER_ACCOUNT_MAX = 256
TURNS_WAITING_MAX = 64

_WAITING = Gauge("auth_guesses_waiting", "Passwords held back because their account is guessed at.")


@dataclass(slots=True)
class _Lane:
    """The guesses of one client at one account."""

    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FAILURES_MAX))
    guesses: int = 0


class BoundedPatience:
    """Lets limited numbers of calls wait, in this process."""

    def __init__(
        self, waiting_max: int = WAITING_MAX, *, waiting_per_account_max: int = WAITING_PER_ACCOUNT_MAX
    ) -> None:
        """Starts with nobody waiting.

        Args:
            waiting_max: Calls that may be held back at once.
            waiting_per_account_max: Likewise, for one account.
        """
        self._waiting_max = waiting_max
        self._waiting_per_account_max = waiting_per_account_max
        self._waiting: Counter[bytes] = Counter()
        self._lanes: dict[GuessKey, _Lane] = {}
        _WAITING.set_function(self._waiting.total)

    @asynccontextmanager
    async def turn(self, key: GuessKey) -> AsyncIterator[None]:
        """Lets no more guesses of one client at one account be under way than it has.

        Raises:
            TooManyAttempts: too many wait for their turn already.
        """
        lane = self._lanes.setdefault(key, _Lane())
        if lane.guesses >= FAILURES_MAX + TURNS_WAITING_MAX:
            raise TooManyAttempts(retry_after_seconds=1)
        lane.guesses += 1
        try:
            async with lane.places:
                yield
        finally:
            lane.guesses -= 1
            if not lane.guesses:
                del self._lanes[key]

    async def __call__(self, seconds: float, key: GuessKey, *, is_first: bool) -> None:
        """Returns after that time; at once for 0.

        Raises:
            TooManyAttempts: too many wait at this account, or everywhere.
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
