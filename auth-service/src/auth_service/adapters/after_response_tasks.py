"""Work after an answer: a bounded number of tasks on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import structlog
from prometheus_client import Counter

log = structlog.get_logger()

TASKS_MAX = 256
_STOP_SECONDS = 5.0

_DROPPED = Counter(
    "auth_work_dropped_total", "Background tasks after a response that failed or were dropped."
)


class AfterResponseTasks:
    """`AfterResponse` by tasks; leaving the context waits for those under way."""

    def __init__(self, tasks_max: int = TASKS_MAX) -> None:
        self._tasks_max = tasks_max
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begins the work and returns at once."""
        if len(self._tasks) >= self._tasks_max:
            _DROPPED.inc()
            return
        task = asyncio.create_task(_done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits a moment for what is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)


async def _done(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        _DROPPED.inc()
        log.exception("work after a response failed")
