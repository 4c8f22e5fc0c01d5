"""Checks that end without a result."""

import asyncio
import time
from types import SimpleNamespace

import pytest
from health_aggregator.adapters import http_check
from health_aggregator.adapters.http_check import HttpCheck

from tests.health_aggregator import servers


async def test_a_cancelled_http_check_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as of a target that is dropped, also shortly before the check's timeout."""
    accepted = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await servers.hang(reader, writer)

    async with servers.serving(hang) as port:
        check = asyncio.ensure_future(HttpCheck(f"http://127.0.0.1:{port}/")(60.0))
        await accepted.wait()
        later = time.monotonic() + 59.0
        monkeypatch.setattr(http_check, "time", SimpleNamespace(monotonic=lambda: later))
        check.cancel()
        await asyncio.wait([check])
    assert check.cancelled()
