"""When a target is checked next, and when its result is too old."""

from zlib import crc32

from health_aggregator.domain.damping import Damped
from health_aggregator.domain.state import State
from health_aggregator.domain.target import Cadence

_JITTER = 0.1
_BACKOFF_GROWTH = 1.1
_UNCONFIRMED = frozenset({State.SUSPECT, State.RECOVERING})


def next_delay_seconds(cadence: Cadence, damped: Damped, *, down_threshold: int, chance: float) -> float:
    """Returns how long to wait after a check.

    Short while a change is unconfirmed; longer and longer while the target is down, to spare it;
    always with 10 % jitter, so that targets are not checked in step.

    Args:
        cadence: The target's intervals.
        damped: Its damped state.
        down_threshold: Failures in a row after which it counts as down.
        chance: A random number from 0 to 1.
    """
    jitter = 1 - _JITTER + 2 * _JITTER * chance
    if damped.state in _UNCONFIRMED or (damped.state is State.UNKNOWN and damped.run < down_threshold):
        return min(cadence.confirm_seconds, cadence.interval_seconds) * jitter
    if damped.success is False:
        excess = min(max(0, damped.run - down_threshold), 100)
        return cadence.interval_seconds * min(cadence.backoff_limit, _BACKOFF_GROWTH**excess) * jitter
    return cadence.interval_seconds * jitter


def phase_seconds(name: str, period_seconds: float) -> float:
    """Returns a target's offset within a period: spread over targets, equal in every process."""
    return crc32(name.encode()) / 2**32 * period_seconds


def stale_after_seconds(cadence: Cadence, damped: Damped) -> float:
    """Returns the age at which a result is too old: three checks in a row are missing."""
    backoff = cadence.backoff_limit if damped.success is False else 1.0
    return 3 * (cadence.interval_seconds * backoff + cadence.timeout_seconds)
