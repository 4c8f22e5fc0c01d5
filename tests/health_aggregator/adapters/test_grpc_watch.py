"""The watch beside a gRPC check: its failures are no failures of the check."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from health_aggregator.adapters import grpc_check
from health_aggregator.adapters.grpc_check import GrpcCheck

from tests.chassis.waiting import until
from tests.health_aggregator.checking import check_once


async def test_a_watch_that_fails_is_reported_and_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can still be closed, and so be replaced."""
    monkeypatch.setattr(grpc_check, "_WATCH_AGAIN_SECONDS", 0.01)
    watches: list[None] = []

    async def failing(*_arguments: Any, **_options: Any) -> AsyncIterator[Any]:
        watches.append(None)
        raise LookupError("a fault of the library")
        yield

    check = GrpcCheck("127.0.0.1:1", "", lambda: None)
    monkeypatch.setattr(check._stub, "Watch", failing)
    await check_once(check)
    await until(lambda: len(watches) > 1)
    await check.close()
