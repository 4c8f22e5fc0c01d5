"""Waiting for what will be true soon."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from tests.waiting import WITHIN_SECONDS


async def until(
    condition: Callable[[], Awaitable[object] | object], *, seconds: float = WITHIN_SECONDS
) -> None:
    """Waits until the condition is true.

    Raises:
        TimeoutError: It is not in time.
    """
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.01)
