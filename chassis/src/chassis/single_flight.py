"""Concurrent callers with the same question share one task."""

import asyncio
import contextvars
import math
from collections.abc import Callable, Coroutine, Hashable
from time import monotonic
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class SingleFlight(Generic[Key, Result]):
    """Runs one task per key at a time, or another one for callers that must not join an older one.

    A task has an empty context: the deadline and the trace of the caller that started it do not bind the
    others. It goes on when its callers are cancelled.

    Args:
        joined_for_seconds: How long after its beginning callers may join a task.
    """

    def __init__(self, *, joined_for_seconds: float = math.inf) -> None:
        self._joined_for_seconds = joined_for_seconds
        self._tasks: dict[Key, tuple[asyncio.Task[Result], float]] = {}

    def is_running(self, key: Key) -> bool:
        """Whether a task runs under the key."""
        return key in self._tasks

    async def run(self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Returns the result of the task under the key; starts it with `work` if there is none.

        Raises:
            Exception: what `work` raises, for every caller.
        """
        task, began_at = self._tasks.get(key, (None, 0.0))
        if task is None or monotonic() - began_at > self._joined_for_seconds:
            task = asyncio.create_task(work(), context=contextvars.Context())
            self._tasks[key] = task, monotonic()
            task.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(task)

    def _finish(self, key: Key, task: "asyncio.Task[Result]") -> None:
        if self._tasks.get(key, (None,))[0] is task:
            del self._tasks[key]
        if not task.cancelled():
            task.exception()  # Retrieved, even if no caller is left to receive it.
