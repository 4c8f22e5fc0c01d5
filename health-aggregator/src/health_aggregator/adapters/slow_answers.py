"""A server that answers every check, but each too late, does not work as it should."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from health_aggregator.domain.check import Check, CheckResult, Outcome

SLOW_SECONDS = 0.25
"""For what takes a few milliseconds from the next machine; users' calls wait for several such answers."""

SLOW = f"takes more than {SLOW_SECONDS:.3g} s for most answers"

_CHECKS = 5
"""How many of the last checks decide, by their median: a pause of either side is one or two of them."""


class SlowAnswers:
    """Runs a check, and finds its target degraded when most of the last checks took long.

    Checks that were given up, as after their timeout, count with the time until then.

    Args:
        check: The check.
        monotonic: The clock.
    """

    def __init__(self, check: Check, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._check = check
        self._monotonic = monotonic
        self._seconds: deque[float] = deque(maxlen=_CHECKS)

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Checks once."""
        started = self._monotonic()
        try:
            result = await self._check(timeout_seconds)
        finally:
            self._seconds.append(self._monotonic() - started)
        is_slow = len(self._seconds) == _CHECKS and median(self._seconds) > SLOW_SECONDS
        if not is_slow or result.outcome is not Outcome.UP:
            return result
        return replace(result, outcome=Outcome.DEGRADED, error=SLOW)

    async def close(self) -> None:
        """Closes every connection."""
        await self._check.close()
