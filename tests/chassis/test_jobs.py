"""Jobs run again and again, and the log says when one begins to fail and when it works again."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from chassis.errors import ServiceError, Unavailable
from chassis.jobs import every, repeat, when_notified
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.chassis.waiting import until

PAUSE_SECONDS = 0.001
LONG_SECONDS = 3600.0
SHARED_SECONDS = 0.02


class _Over(BaseException):
    """Ends a loop, as its cancellation would."""


class _Job:
    """A job with given outcomes; its last one ends the loop.

    Attributes:
        outcomes: What each run returns or raises.
    """

    def __init__(self, *outcomes: int | Exception) -> None:
        self.outcomes = list(outcomes)

    async def __call__(self) -> int:
        if not self.outcomes:
            raise _Over
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def found(self) -> bool:
        """Says whether it found something, for `repeat`."""
        return bool(await self())


Loop = Callable[[_Job], Awaitable[None]]

LOOPS: dict[str, Loop] = {
    "every": lambda job: every(PAUSE_SECONDS, "a job", job),
    "when_notified": lambda job: when_notified(asyncio.sleep, PAUSE_SECONDS, "a job", job),
    "repeat": lambda job: repeat("a job", job.found, pause_seconds=PAUSE_SECONDS),
}


async def _run(loop: Loop, *outcomes: int | Exception) -> list[EventDict]:
    """Runs a job through its outcomes; returns what was logged."""
    with capture_logs() as said, pytest.raises(_Over):
        await loop(_Job(*outcomes))
    return said


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
async def test_a_failure_is_logged_once_and_so_is_recovery(loop: Loop) -> None:
    """A failure for another reason is news."""
    said = await _run(loop, 0, Unavailable(), Unavailable(), ServiceError(), 0, 0, Unavailable())

    assert [(line["event"], line["job"], line.get("reason")) for line in said] == [
        ("job failed; retrying", "a job", Unavailable.reason),
        ("job failed; retrying", "a job", ServiceError.reason),
        ("job recovered", "a job", None),
        ("job failed; retrying", "a job", Unavailable.reason),
    ]


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
async def test_a_fault_of_ours_does_not_end_the_service(loop: Loop) -> None:
    """It is an error in the log, with its traceback."""
    fault = ValueError("a fault")
    said = await _run(loop, fault, fault, 0)

    assert [(line["log_level"], line["event"], line.get("exc_info")) for line in said] == [
        ("error", "job failed; retrying", fault),
        ("info", "job recovered", None),
    ]


async def test_at_once_and_then_at_intervals() -> None:
    """Only when asked for is the first run at the start; how much a run did is logged."""
    job = _Job(3)
    with capture_logs() as said:
        running = asyncio.create_task(every(LONG_SECONDS, "a job", job, at_once=True))
        waiting = asyncio.create_task(every(LONG_SECONDS, "another", _Job(4)))
        await until(lambda: said)
        running.cancel()
        waiting.cancel()

    assert said == [{"event": "job done", "log_level": "info", "job": "a job", "count": 3}]


async def test_runs_without_a_pause_while_there_is_something_to_do() -> None:
    """With an hour between runs that find nothing, three that find something follow one another."""
    job = _Job(1, 1, 0)
    running = asyncio.create_task(repeat("a job", job.found, pause_seconds=LONG_SECONDS))
    await until(lambda: not job.outcomes)

    assert not running.done()
    running.cancel()


async def test_loops_that_share_a_pause_look_in_turn() -> None:
    """All three look at the start, and then one after each pause."""
    looks: list[float] = []

    async def look() -> None:
        looks.append(time.monotonic())

    pausing = asyncio.Lock()
    loops = [
        asyncio.create_task(repeat("a job", look, pause_seconds=SHARED_SECONDS, pausing=pausing))
        for _ in range(3)
    ]
    await until(lambda: len(looks) >= 9)
    for loop in loops:
        loop.cancel()

    # Six pauses; each by itself, the three would have looked as often after two.
    assert looks[8] - looks[0] > 5 * SHARED_SECONDS
