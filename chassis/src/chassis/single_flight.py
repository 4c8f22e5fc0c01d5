"""Concurrent callers with the same question share one task."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class SingleFlight(Generic[Key, Result]):
    """Runs at most one task per key at a time.

    A task has an empty context: the deadline and the trace of the caller that started it do not bind the
    others. It goes on when its callers are cancelled.
    """

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Result]] = {}

    def is_running(self, key: Key) -> bool:
        """Whether a task runs under the key."""
        return key in self._tasks

    async def run(self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Returns the result of the task under the key; starts it with `work` if there is none.

        Raises:
            Exception: what `work` raises, for every caller.
        """
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(work(), context=contextvars.Context())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(task)

    def _finish(self, key: Key, task: "asyncio.Task[Result]") -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # Retrieved, even if no caller is left to receive it.
