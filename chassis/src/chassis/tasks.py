"""Ends tasks, whatever the libraries in them do with a cancellation."""

import asyncio
import contextlib

CANCEL_AGAIN_SECONDS = 1.0


async def end_task(task: "asyncio.Future[None]") -> None:
    """Cancels a task and waits until it has ended, with any result.

    It cancels repeatedly: `asyncio.wait_for` of Python 3.11, which libraries use, loses a cancellation that
    arrives together with the result.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
    with contextlib.suppress(asyncio.CancelledError, Exception):
        task.result()
