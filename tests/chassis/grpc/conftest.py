"""A running house for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.chassis.grpc.hall import Hall, open_hall


@pytest_asyncio.fixture(name="hall")
async def open_one() -> AsyncIterator[Hall]:
    """A server with scripted services, called as the gateway."""
    async with open_hall() as hall:
        yield hall
