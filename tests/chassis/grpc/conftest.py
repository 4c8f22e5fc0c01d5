"""A running stack for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.chassis.grpc.stack import Stack, open_stack


@pytest_asyncio.fixture(name="stack")
async def open_one() -> AsyncIterator[Stack]:
    """A server with scripted services, called as the gateway."""
    async with open_stack() as stack:
        yield stack
