"""The life of a service: start, serve until told to stop, finish what is begun, close in reverse."""

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Any, NoReturn, TypeVar

import structlog
import uvloop

from chassis import boot
from chassis.errors import ServiceError
from chassis.readiness import Readiness
from chassis.startup import StartupError

log = structlog.get_logger()

CANCEL_AGAIN_SECONDS = 1.0

Resource = TypeVar("Resource")

DRAIN_SECONDS = 0.4
"""How long a service that was told to stop still takes calls, while callers turn to others."""

LINGERING_DRAIN_SECONDS = 2.0
"""The same after lingering, as in a cluster: there are more callers, and starved ones."""

CLOSE_SECONDS = 5.0
"""How long closing resources may take after the grace, before the process ends all the same."""


@dataclass(frozen=True, slots=True)
class Stop:
    """How long each part of a stop may take, in seconds.

    Attributes:
        linger_seconds: For serving on as before, still ready.
        drain_seconds: For serving on after everybody was told to turn to others.
        grace_seconds: For what is in flight after that.
    """

    linger_seconds: float
    drain_seconds: float
    grace_seconds: float

    @property
    def within_seconds(self) -> float:
        """When the stop is cut short."""
        return self.linger_seconds + self.drain_seconds + self.grace_seconds + CLOSE_SECONDS


class Lifecycle:
    """What `main` hangs its parts on.

    Attributes:
        service: The service's name.
        readiness: Unready until `main` has returned, and again when the service stops lingering.
        stopping: Set when the stop signal has come.
        started: Whether `main` has come to its end.
        failure: What ended a background task before its time.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.readiness = Readiness()
        self.readiness.expect("started")
        self.stopping = asyncio.Event()
        self._resources = AsyncExitStack()
        self._drains: list[Callable[[], Awaitable[None] | None]] = []
        self._stops: list[Callable[[float], Awaitable[None]]] = []
        self.started = False
        self.failure: BaseException | None = None

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
        self._resources.push_async_callback(end_task, task)
        return task

    def stop(self) -> None:
        """Asks the service to stop, as SIGTERM does."""
        self.stopping.set()

    async def close(self) -> None:
        """Closes everything, last opened first; called by `run`."""
        self.readiness.stop()
        await self._resources.aclose()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or task.exception() is None:
            return
        log.error("background task failed", task=task.get_name(), exc_info=task.exception())
        self.failure = task.exception()
        self.stopping.set()

    async def drain(self, stop: "Stop") -> None:
        """Runs the callbacks of a stop; called by `run`."""
        if stop.linger_seconds:
            # Still ready: Kubernetes takes a pod that it deletes out of its Services by itself. Where every
            # pod of a Service is being deleted it sends requests to those that are ready.
            await asyncio.sleep(stop.linger_seconds)
        self.readiness.stop()
        for drain in self._drains:
            answer = drain()
            if answer is not None:
                await answer
        if stop.drain_seconds:
            await asyncio.sleep(stop.drain_seconds)
        for outcome in await asyncio.gather(
            *(callback(stop.grace_seconds) for callback in self._stops), return_exceptions=True
        ):
            if isinstance(outcome, BaseException):
                log.error("stopping a server failed", exc_info=outcome)


def run(
    service: str,
    main: Callable[[Lifecycle], Awaitable[None]],
    *,
    grace_seconds: float = 10.0,
    drain_seconds: float | None = None,
    linger_seconds: float = 0.0,
    debug: bool = False,
) -> NoReturn:
    """Runs a service and exits.

    `main` opens everything and returns; the service then serves until SIGTERM or SIGINT:
    `linger_seconds` pass in which everything is served as before, readiness ends, drain callbacks
    run, `drain_seconds` pass, servers stop with the grace, resources close in reverse. A second
    signal ends the process at once.

    Args:
        service: Name in logs and messages.
        main: Builds the service on the lifecycle it is given.
        grace_seconds: How long work in flight may take after the signal.
        drain_seconds: How long to go on accepting after the drain callbacks, for callers to turn to others.
        linger_seconds: How long to go on serving after the signal, for callers who learn from
            cached DNS answers that there are others.
        debug: Show the traceback of a failed start as well.

    Raises:
        SystemExit: Always; 0 after a clean stop, 1 when it did not start or a part failed,
            130 when a second signal cut the stop short.
    """
    if drain_seconds is None:
        drain_seconds = LINGERING_DRAIN_SECONDS if linger_seconds else DRAIN_SECONDS
    boot.imported()
    _allow_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(
            _live(service, main, Stop(linger_seconds, drain_seconds, grace_seconds), debug=debug)
        )
    sys.exit(status)


def _allow_open_files() -> None:
    """Takes as many open files as are allowed: shells often start us with 1,024, fewer than listeners."""
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))


async def _live(
    service: str,
    main: Callable[[Lifecycle], Awaitable[None]],
    stop: "Stop",
    *,
    debug: bool,
) -> int:
    lifecycle = Lifecycle(service)
    _handle_signals(lifecycle)
    status = 0
    try:
        if await _start(lifecycle, main):
            await lifecycle.stopping.wait()
            log.info("stopping", linger_seconds=stop.linger_seconds, grace_seconds=stop.grace_seconds)
            status = await _in_time(lifecycle.drain(stop), stop.within_seconds)
    except Exception as error:
        if debug or not isinstance(error, (StartupError, ServiceError, ConnectionError)):
            log.exception("start failed")
        await _in_time(lifecycle.close(), CLOSE_SECONDS)
        print(f"{service}: cannot start: {sentence(error)}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    status = await _in_time(lifecycle.close(), CLOSE_SECONDS) or status
    if lifecycle.failure is not None:
        status = 1
    log.info("stopped", status=status)
    return status


async def _start(lifecycle: Lifecycle, main: Callable[[Lifecycle], Awaitable[None]]) -> bool:
    """Runs `main` and says whether it came to its end before the stop signal."""
    started = monotonic()
    try:
        await main(lifecycle)
    except asyncio.CancelledError:
        _forgive()
        return False
    lifecycle.started = True
    if lifecycle.stopping.is_set():
        return False
    _set_aside_what_stays()
    lifecycle.readiness.set("started", ok=True)
    log.info("serving", start_seconds=round(monotonic() - started, 3))
    return True


def _set_aside_what_stays() -> None:
    """Spares the garbage collector what lives as long as the process: 60 ms of a busy gateway each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


async def _in_time(work: Coroutine[Any, Any, None], within_seconds: float) -> int:
    """Awaits a part of the stop; returns 130 when a second signal or the time cut it short."""
    try:
        async with asyncio.timeout(within_seconds):
            await work
    except TimeoutError:
        log.warning("stop cut short", seconds=within_seconds)
        return 130
    except asyncio.CancelledError:
        _forgive()
        log.warning("stop cut short by a second signal")
        return 130
    except Exception:
        log.exception("stop failed")
    return 0


def _handle_signals(lifecycle: Lifecycle) -> None:
    """The first signal asks for the stop (and ends a start); later ones cut what it waits for."""
    task = asyncio.current_task()

    def on_signal() -> None:
        if task is not None and (lifecycle.stopping.is_set() or not lifecycle.started):
            task.cancel()
        lifecycle.stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _forgive() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def end_task(task: "asyncio.Future[None]") -> None:
    """Cancels a task and waits until it has ended, however it ends.

    It cancels again when nothing happens: `asyncio.wait_for` of Python 3.11, which redis-py
    sends commands through, loses a cancellation that comes in the moment of its success.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
    with contextlib.suppress(asyncio.CancelledError, Exception):
        task.result()


def sentence(error: BaseException) -> str:
    """Says in one line what an error at start-up means."""
    if isinstance(error, StartupError):
        return str(error)
    if isinstance(error, ServiceError):
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return f"{error}{cause}".replace("\n", " ")
    return f"{type(error).__name__}: {error}".replace("\n", " ")
