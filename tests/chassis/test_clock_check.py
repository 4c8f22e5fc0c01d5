"""A service whose clock differs from Redis' does not become ready."""

import asyncio
import time
from collections.abc import Callable

import pytest
from chassis.clock_check import CHECK, LIMIT_SECONDS, check_clock
from chassis.identity import service_tokens
from chassis.readiness import Readiness, State
from devstack.ports import free_port
from devstack.valkey import Valkey
from structlog.testing import capture_logs

from chassis import clock_check
from tests.chassis.waiting import until


@pytest.fixture(name="readiness")
def _readiness() -> Readiness:
    """As a service begins."""
    readiness = Readiness()
    readiness.expect(CHECK)
    return readiness


@pytest.fixture(name="may_begin")
def _may_begin() -> asyncio.Event:
    """What a start waits for."""
    return asyncio.Event()


def clock(ahead: list[float]) -> Callable[[], float]:
    """A clock that is ahead by what the list ends with."""
    return lambda: time.time() + ahead[-1]


def test_any_two_services_that_become_ready_accept_one_another() -> None:
    """One may be ahead of Redis and the other behind."""
    assert 2 * LIMIT_SECONDS <= service_tokens._LEEWAY_SECONDS


@pytest.mark.parametrize("seconds", [0.0, 13.0, -13.0])
async def test_a_right_clock_is_ready(
    readiness: Readiness, may_begin: asyncio.Event, valkey: Valkey, seconds: float
) -> None:
    """What the limit allows; the check ends."""
    await check_clock(readiness, may_begin, valkey.url, client_name="test", now=clock([seconds]))

    assert readiness.ready
    assert may_begin.is_set()


@pytest.mark.parametrize("seconds", [60.0, -60.0])
async def test_a_wrong_clock_keeps_a_start_waiting_until_it_is_set(
    readiness: Readiness, may_begin: asyncio.Event, valkey: Valkey, seconds: float
) -> None:
    """`/ready` names the check, and the log says once by how much the clock is wrong."""
    ahead = [seconds]
    with capture_logs() as said:
        check = asyncio.create_task(
            check_clock(readiness, may_begin, valkey.url, client_name="test", now=clock(ahead))
        )
        await until(lambda: readiness.checks()[CHECK] is State.FAILING)
        assert not may_begin.is_set()
        ahead.append(0.0)
        await check

    assert readiness.ready
    assert may_begin.is_set()
    (line,) = said
    assert "set the clocks" in line["event"]
    assert line["ahead_seconds"] == pytest.approx(seconds, abs=1)


async def test_without_redis_a_start_goes_on(
    readiness: Readiness, may_begin: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is not needed for a start; it is given time to answer, and asked again later."""
    monkeypatch.setattr(clock_check, "UNREACHABLE_SECONDS", 1.0)
    began = time.monotonic()
    url = f"redis://127.0.0.1:{free_port()}"
    check = asyncio.create_task(check_clock(readiness, may_begin, url, client_name="test"))
    await may_begin.wait()

    assert readiness.ready
    assert time.monotonic() - began >= 1.0
    assert not check.done()
    check.cancel()
