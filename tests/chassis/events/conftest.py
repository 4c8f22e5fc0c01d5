"""An outbox, its relay and what reads the stream, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from chassis.events.outbox import Outbox
from chassis.postgres.pool import Pool
from chassis.tasks import end_task
from vestibule.events.v1.events_pb2 import Event, UserChanged

Begin = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
Append = Callable[..., Coroutine[Any, Any, Event]]


@pytest.fixture
async def begin() -> AsyncIterator[Begin]:
    """Runs background tasks until the end of the test."""
    tasks: list[asyncio.Task[None]] = []

    def start(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    yield start
    for task in tasks:
        await end_task(task)


@pytest.fixture
def append(pool: Pool, outbox: Outbox) -> Append:
    """Commits an event about a user."""

    async def commit(user_id: str) -> Event:
        async with pool.transaction() as transaction:
            return await outbox.append(transaction, Event(user_changed=UserChanged(user_id=user_id)))

    return commit
