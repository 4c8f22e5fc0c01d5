"""The life of a service: start, serve until told to stop, finish what is begun, close in reverse."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from time import monotonic
from typing import Any, NoReturn, TypeVar

import uvloop

from chassis.errors import ServiceError
from chassis.logs import get_logger
from chassis.readiness import Readiness
from chassis.startup import StartupError

log = get_logger()

Resource = TypeVar("Resource")

CLOSE_SECONDS = 5.0
"""How long closing resources may take after the grace, before the process ends all the same."""


class Lifecycle:
    """What `main` hangs its parts on.

    Attributes:
        service: The service's name.
        readiness: Unready until `main` has returned, and again from the stop signal on.
        stopping: Set when the stop signal has come.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.readiness = Readiness()
        self.readiness.expect("started")
        self.stopping = asyncio.Event()
        self._resources = AsyncExitStack()
        self._drains: list[Callable[[], Awaitable[None] | None]] = []
        self._stops: list[Callable[[float], Awaitable[None]]] = []
        self._failure: BaseException | None = None

    async def enter(self, resource: AbstractAsyncContextManager[Resource]) -> Resource:
        """Opens a resource; it is closed after everything that was opened or begun later."""
        return await self._resources.enter_async_context(resource)

    def on_drain(self, callback: Callable[[], Awaitable[None] | None]) -> None:
        """Calls back first of all on a stop: tell the world to send nothing new."""
        self._drains.append(callback)

    def on_stop(self, callback: Callable[[float], Awaitable[None]]) -> None:
        """Calls back next, with the grace in seconds: accept nothing new, finish what is in flight.

        All such callbacks run at once; resources are still open.
        """
        self._stops.append(callback)

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs a task beside the service; it is cancelled in its turn of closing.

        A task that fails ends the service with status 1: half a service is none.
        """
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._resources.push_async_callback(_cancel, task)
        return task

    def stop(self) -> None:
        """Asks the service to stop, as SIGTERM does."""
        self.stopping.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or task.exception() is None:
            return
        log.error("background task failed", task=task.get_name(), exc_info=task.exception())
        self._failure = task.exception()
        self.stopping.set()

    async def _drain(self, drain_seconds: float, grace_seconds: float) -> None:
        self.readiness.stop()
        for drain in self._drains:
            answer = drain()
            if answer is not None:
                await answer
        if drain_seconds:
            await asyncio.sleep(drain_seconds)
        for outcome in await asyncio.gather(
            *(stop(grace_seconds) for stop in self._stops), return_exceptions=True
        ):
            if isinstance(outcome, BaseException):
                log.error("stopping a server failed", exc_info=outcome)


def run(
    service: str,
    main: Callable[[Lifecycle], Awaitable[None]],
    *,
    grace_seconds: float = 10.0,
    drain_seconds: float = 0.0,
    debug: bool = False,
) -> NoReturn:
    """Runs a service and exits.

    `main` opens everything and returns; the service then serves until SIGTERM or SIGINT:
    readiness goes, drain callbacks run, `drain_seconds` pass, servers stop with the grace,
    resources close in reverse. A second signal ends the process at once.

    Args:
        service: Name in logs and messages.
        main: Builds the service on the lifecycle it is given.
        grace_seconds: How long work in flight may take after the signal.
        drain_seconds: How long to go on accepting after readiness has gone.
        debug: Show the traceback of a failed start as well.

    Raises:
        SystemExit: Always; 0 after a clean stop, 1 when it did not start or a part failed,
            130 when a second signal cut the stop short.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(_live(service, main, grace_seconds, drain_seconds, debug=debug))
    sys.exit(status)


async def _live(
    service: str,
    main: Callable[[Lifecycle], Awaitable[None]],
    grace_seconds: float,
    drain_seconds: float,
    *,
    debug: bool,
) -> int:
    lifecycle = Lifecycle(service)
    hurry = _handle_signals(lifecycle)
    started = monotonic()
    status = 0
    try:
        if await _start(lifecycle, main):
            log.info("serving", start_seconds=round(monotonic() - started, 3))
            await lifecycle.stopping.wait()
            log.info("stopping", grace_seconds=grace_seconds)
            stop = asyncio.ensure_future(lifecycle._drain(drain_seconds, grace_seconds))  # noqa: SLF001
            if await _or_hurry(stop, hurry, drain_seconds + grace_seconds + CLOSE_SECONDS):
                status = 130
    except Exception as error:
        if debug or not isinstance(error, (StartupError, ServiceError, ConnectionError)):
            log.exception("start failed")
        await _close(lifecycle, hurry)
        print(f"{service}: cannot start: {sentence(error)}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    if await _close(lifecycle, hurry):
        status = status or 130
    if lifecycle._failure is not None:  # noqa: SLF001
        status = 1
    log.info("stopped", status=status)
    return status


async def _start(lifecycle: Lifecycle, main: Callable[[Lifecycle], Awaitable[None]]) -> bool:
    """Runs `main`, unless the stop signal comes first; says whether it has started."""
    starting: asyncio.Future[None] = asyncio.ensure_future(main(lifecycle))
    stopping = asyncio.ensure_future(lifecycle.stopping.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        await _cancel(starting)
        return False
    stopping.cancel()
    starting.result()
    lifecycle.readiness.set("started", ok=True)
    return True


async def _close(lifecycle: Lifecycle, hurry: asyncio.Event) -> bool:
    lifecycle.readiness.stop()
    return await _or_hurry(asyncio.ensure_future(lifecycle._resources.aclose()), hurry, CLOSE_SECONDS)  # noqa: SLF001


async def _or_hurry(work: "asyncio.Future[None]", hurry: asyncio.Event, within_seconds: float) -> bool:
    """Awaits the work; True when a second signal or the time cut it short."""
    hurried = asyncio.ensure_future(hurry.wait())
    await asyncio.wait([work, hurried], timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if not work.done():
        log.warning("stop cut short", signal=hurry.is_set())
        work.cancel()
        return True
    if (error := work.exception()) is not None:
        log.error("closing failed", exc_info=error)
    return False


def _handle_signals(lifecycle: Lifecycle) -> asyncio.Event:
    hurry = asyncio.Event()

    def on_signal() -> None:
        if lifecycle.stopping.is_set():
            hurry.set()
        lifecycle.stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return hurry


async def _cancel(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def sentence(error: BaseException) -> str:
    """Says in one line what an error at start-up means."""
    if isinstance(error, StartupError):
        return str(error)
    if isinstance(error, ServiceError):
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return f"{error}{cause}".replace("\n", " ")
    return f"{type(error).__name__}: {error}".replace("\n", " ")
