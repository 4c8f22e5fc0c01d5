"""Every fault that tests inject, by name."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from chassis.events import stream
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.faults import wires
from tests.faults.faulty_system import FaultySystem
from tests.faults.wires import Trouble

Fault = Callable[[FaultySystem], AbstractContextManager[None]]

LONG = os.environ.get("FAULTS") == "all"
"""Whether every fault is injected, which takes minutes."""

SERVICES = ("auth-service", "user-service", "gateway")
BESIDE = ("health-aggregator", "knowledge-service")
STEP_SECONDS = 30
STOPPED_SECONDS, RUNNING_SECONDS = 0.3, 0.1
AGAIN = 500
"""How many events are delivered again."""

ARROWS = (
    ("gateway", "auth-service"),
    ("gateway", "user-service"),
    ("auth-service", "user-service"),
    ("user-service", "auth-service"),
    ("auth-service", "postgres"),
    ("user-service", "postgres"),
    ("gateway", "redis"),
    ("auth-service", "redis"),
    ("user-service", "redis"),
)
TROUBLES = {
    "late": wires.LATE,
    "cut": wires.CUT,
    "reset": wires.RESET,
    "sliced": wires.SLICED,
    "throttled": wires.THROTTLED,
}


def killed(name: str) -> Fault:
    """A part is killed and started again; what Redis stored is lost."""

    @contextmanager
    def fault(faulty: FaultySystem) -> Iterator[None]:
        faulty.stack.kill_part(name)
        try:
            yield
        finally:
            faulty.stack.start_part(name)

    return fault


def paused(name: str) -> Fault:
    """A process hangs: it keeps its connections and does not answer."""

    @contextmanager
    def fault(faulty: FaultySystem) -> Iterator[None]:
        process = faulty.stack.services[name]
        process.pause()
        try:
            yield
        finally:
            process.resume()

    return fault


def stuttering(name: str) -> Fault:
    """A server stops for most of the time, and answers in between."""

    @contextmanager
    def fault(faulty: FaultySystem) -> Iterator[None]:
        process = faulty.stack.part(name).process
        assert process is not None
        over = threading.Event()

        def stutter() -> None:
            while not over.is_set():
                _signal_all(process.pid, signal.SIGSTOP)
                over.wait(STOPPED_SECONDS)
                _signal_all(process.pid, signal.SIGCONT)
                over.wait(RUNNING_SECONDS)

        stuttering = threading.Thread(target=stutter)
        stuttering.start()
        try:
            yield
        finally:
            over.set()
            stuttering.join()

    return fault


def trouble_between(caller: str, called: str, trouble: Trouble) -> Fault:
    """Every connection from one part to another is faulty."""

    @contextmanager
    def fault(faulty: FaultySystem) -> Iterator[None]:
        with faulty.wires.spoiled(faulty.wires.between(caller, called), trouble):
            yield

    return fault


def clock_stepped(name: str, seconds: int) -> Fault:
    """A process's clock steps forward or back, as after a correction by NTP."""

    @contextmanager
    def fault(faulty: FaultySystem) -> Iterator[None]:
        with faulty.clocks.stepped(name, seconds):
            yield

    return fault


@contextmanager
def disk_full(faulty: FaultySystem) -> Iterator[None]:
    """Postgres' disk is full; if that ends Postgres, it is started again with space."""
    with faulty.disk.full():
        yield
    if not faulty.stack.part("postgres").is_running:
        faulty.stack.start_part("postgres")


@contextmanager
def events_twice_and_backwards(faulty: FaultySystem) -> Iterator[None]:
    """The last events of the stream are delivered again, newest first."""
    asyncio.run(_deliver_again(faulty.system.redis_url))
    yield
    asyncio.run(_deliver_again(faulty.system.redis_url))


@contextmanager
def listeners_cut_off(faulty: FaultySystem) -> Iterator[None]:
    """The connections that listen for outbox notifications are ended."""
    ended = faulty.system.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'"
    )
    assert ended, "no connection listened"
    yield


def together(first: Fault, second: Fault) -> Fault:
    """Two faults at the same time."""

    @contextmanager
    def fault(faulty: FaultySystem) -> Iterator[None]:
        with ExitStack() as both:
            both.enter_context(first(faulty))
            both.enter_context(second(faulty))
            yield

    return fault


def _signal_all(pid: int, number: signal.Signals) -> None:
    """Signals a process and what it has started."""
    with suppress(OSError):
        os.kill(pid, number)
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            _signal_all(int(child), number)


async def _deliver_again(url: str) -> None:
    # During another fault there may be no Redis to deliver to.
    with suppress(RedisError):
        async with Redis.from_url(url) as redis:
            newest_first: Any = await redis.xrevrange(stream.STREAM, count=AGAIN)
            for _, fields in newest_first:
                await redis.xadd(stream.STREAM, fields)


FAULTS: dict[str, Fault] = {
    **{f"{name} killed": killed(name) for name in (*SERVICES, *BESIDE, "postgres", "redis")},
    **{f"{name} hangs": paused(name) for name in SERVICES},
    **{f"{name} stutters": stuttering(name) for name in ("postgres", "redis")},
    **{
        f"{caller} to {called} {how}": trouble_between(caller, called, trouble)
        for caller, called in ARROWS
        for how, trouble in TROUBLES.items()
    },
    **{
        f"{name}'s clock {abs(seconds)} s {'fast' if seconds > 0 else 'slow'}": clock_stepped(name, seconds)
        for name in SERVICES
        for seconds in (STEP_SECONDS, -STEP_SECONDS)
    },
    "postgres' disk full": disk_full,
    "events twice and backwards": events_twice_and_backwards,
    "listeners cut off": listeners_cut_off,
}
