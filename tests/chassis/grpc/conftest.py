"""A running stack for each test, and an authority of certificates."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chassis.grpc import certificates

from tests.chassis.grpc.authority import Authority
from tests.chassis.grpc.stack import Stack, open_stack


@pytest.fixture
def authority() -> Authority:
    """An authority of its own."""
    return Authority()


@pytest.fixture
def _certificates_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of certificates are looked at on each call."""
    monkeypatch.setattr(certificates, "CHECK_SECONDS", 0.0)


@pytest_asyncio.fixture(name="stack")
async def open_one() -> AsyncIterator[Stack]:
    """A server with scripted services, called as the gateway."""
    async with open_stack() as stack:
        yield stack
