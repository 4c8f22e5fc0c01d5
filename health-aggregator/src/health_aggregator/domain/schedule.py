"""When a target is checked next."""

from zlib import crc32

from health_aggregator.domain.damping import Damped
from health_aggregator.domain.state import State
from health_aggregator.domain.target import Cadence

_JITTER = 0.1
_BACKOFF_GROWTH = 1.1
_EDGES = frozenset({State.SUSPECT, State.RECOVERING})


def next_delay_seconds(cadence: Cadence, memory: Damped, *, down_threshold: int, chance: float) -> float:
    """Returns how long to wait after a check.

    Short at an edge, so that a change is soon confirmed; longer and longer while down, so that a
    patient is not beaten; always with a tenth of jitter, so that targets do not fall into step.

    Args:
        cadence: The target's own times.
        memory: What is known of it.
        down_threshold: Failures in a row after which it counts as down.
        chance: A random number from 0 to 1.
    """
    jitter = 1 - _JITTER + 2 * _JITTER * chance
    if memory.state in _EDGES or (memory.state is State.UNKNOWN and memory.run < down_threshold):
        return min(cadence.confirm_seconds, cadence.interval_seconds) * jitter
    if memory.success is False:
        excess = min(max(0, memory.run - down_threshold), 100)
        return cadence.interval_seconds * min(cadence.backoff_limit, _BACKOFF_GROWTH**excess) * jitter
    return cadence.interval_seconds * jitter


def phase_seconds(name: str, period_seconds: float) -> float:
    """Returns a target's own place within a period: spread over targets, the same in every process."""
    return crc32(name.encode()) / 2**32 * period_seconds


def stale_after_seconds(cadence: Cadence, memory: Damped) -> float:
    """Returns the age from which on a result is no longer believed: three checks in a row are missing."""
    backoff = cadence.backoff_limit if memory.success is False else 1.0
    return 3 * (cadence.interval_seconds * backoff + cadence.timeout_seconds)
