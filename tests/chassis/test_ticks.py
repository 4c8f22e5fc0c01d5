"""Timers that need not be exact fire together."""

import asyncio
import itertools
import statistics

import pytest

from chassis import ticks

ROUNDS = 3


async def test_timers_of_whole_seconds_fire_together() -> None:
    """Whenever they begin, each once per second."""
    fired: list[list[float]] = []

    async def beat(starts_after: float) -> None:
        await asyncio.sleep(starts_after)
        times: list[float] = []
        for _ in range(ROUNDS):
            await asyncio.sleep(ticks.about(1.0))
            times.append(asyncio.get_running_loop().time())
        fired.append(times)

    await asyncio.gather(*(beat(starts_after) for starts_after in (0.0, 0.013, 0.2, 0.37)))
    apart = [abs((time - fired[0][0] + 0.5) % 1 - 0.5) for times in fired for time in times]
    gaps = [after - before for times in fired for before, after in itertools.pairwise(times)]

    # Apart by how late the event loop is; without ticks by what lies between their beginnings.
    assert statistics.median(apart) < 0.01
    assert statistics.median(gaps) == pytest.approx(1.0, abs=0.1)


async def test_those_of_one_period_meet() -> None:
    """Whatever the period, and whenever each began."""
    times: list[float] = []

    async def beat(starts_after: float) -> None:
        await asyncio.sleep(starts_after)
        for _ in range(2):
            await asyncio.sleep(ticks.until_next(1.3))
        times.append(asyncio.get_running_loop().time())

    await asyncio.gather(*(beat(starts_after) for starts_after in (0.0, 0.1, 0.4, 0.9)))

    assert statistics.median(abs((time - times[0] + 0.65) % 1.3 - 0.65) for time in times) < 0.01


async def test_the_nearest_tick_counts() -> None:
    """It is half a second away at most, and never now; short times are exact."""
    for seconds in (1.0, 1.2, 3.0, 3.7):
        assert 0 < ticks.about(seconds) <= seconds + 0.51
        assert ticks.about(seconds) >= min(seconds - 0.51, 0.01)
    assert ticks.about(0.25) == 0.25


async def test_none_is_later_than_it_may_be() -> None:
    for seconds in (1.0, 3.9, 4.0, 5.0, 30.0):
        waits = []
        for _ in range(50):
            waits.append(ticks.about(seconds) - seconds)
            await asyncio.sleep(0.002)
        assert max(waits) <= ticks.LATE_SECONDS_MAX


async def test_long_timers_fire_at_every_fourth_tick() -> None:
    """Whatever their times are; at most two seconds early or late, and never now."""
    now = asyncio.get_running_loop().time()
    due = []
    for seconds in (4.0, 5.0, 7.9, 10.0, 15.0, 600.0):
        pause_seconds = ticks.about(seconds)
        assert max(0.0, seconds - 2.01) < pause_seconds < seconds + 2.01
        due.append(now + pause_seconds)

    assert all(abs((time - due[0] + 2) % 4 - 2) < 0.01 for time in due)
