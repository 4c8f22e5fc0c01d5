"""Ticks: moments a second apart, at which timers fire together that need not be exact.

Waking a process that is idle costs it more processor time than what most timers then do.
"""

import asyncio
import math
import random

_PHASE_SECONDS = random.randrange(1000) / 1000  # noqa: S311 so that processes do not wake together
_EARLY_SECONDS = 0.01
"""By how much a timer may fire too early."""


def about(seconds: float) -> float:
    """Returns the time until the tick that is nearest to a time from now, and not over.

    Less than a second is returned as it is.
    """
    if seconds < 1:
        return seconds
    now = _now()
    return max(round(now + seconds), math.floor(now + _EARLY_SECONDS) + 1) - now


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
