"""Ticks: moments a second apart, at which timers fire together that need not be exact.

Waking a process that is idle costs it more processor time than what most timers then do. Timers of four
seconds and more fire at every fourth tick alone, so that most of an idle process' timers fire together.
"""

import asyncio
import math
import random

_PHASE_SECONDS = random.randrange(1000) / 1000  # noqa: S311 so that processes do not wake together
_EARLY_SECONDS = 0.01
"""By how much a timer may fire too early."""

LONG_SECONDS = 4.0
"""Timers of this time and longer fire at multiples of it."""

LATE_SECONDS_MAX = LONG_SECONDS / 2
"""By how much `about` may exceed the time that it is given."""


def about(seconds: float) -> float:
    """Returns the time until the tick that is nearest to a time from now and lies ahead.

    It is up to half a second sooner or later; from `LONG_SECONDS` on, where only every fourth tick counts, up
    to two seconds. Less than a second is returned as it is.
    """
    if seconds < 1:
        return seconds
    now = _now()
    apart = LONG_SECONDS if seconds >= LONG_SECONDS else 1.0
    nearest = round((now + seconds) / apart)
    return max(nearest, math.floor((now + _EARLY_SECONDS) / apart) + 1) * apart - now


def until_next(seconds: float) -> float:
    """Returns the time until the next multiple of a period: all that have it meet, whenever they began.

    Less than a second is returned as it is.
    """
    if seconds < 1:
        return seconds
    now = _now()
    return (math.floor((now + _EARLY_SECONDS) / seconds) + 1) * seconds - now


def _now() -> float:
    return asyncio.get_running_loop().time() - _PHASE_SECONDS
