"""The lifecycle of a service: start, serve until a signal, finish work in flight, close in reverse order."""

import asyncio
import contextlib
import gc
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from time import monotonic
from typing import Any, NoReturn, TypeVar

import structlog
import uvloop

from chassis import exits, fast_imports
from chassis.dataclass import dataclass
from chassis.errors import ServiceError
from chassis.readiness import Readiness
from chassis.startup_errors import StartupError, sentence
from chassis.tasks import end_task

log = structlog.get_logger()

Resource = TypeVar("Resource")

DRAIN_SECONDS = 0.4
"""How long a stopping service still accepts calls, while callers move to other instances."""

LINGERING_DRAIN_SECONDS = 2.0
"""The same after lingering, as in a cluster, where callers are more numerous and slower to notice."""

CLOSE_SECONDS = 5.0
"""How long closing resources may take after the grace, before the process exits anyway."""


@dataclass(frozen=True, slots=True)
class Stop:
    """How long each part of a stop may take, in seconds.

    Attributes:
        linger_seconds: For serving as before, still ready.
        drain_seconds: For serving while unready, until callers have moved to other instances.
        grace_seconds: For work in flight after that.
    """

    linger_seconds: float
    drain_seconds: float
    grace_seconds: float

    @property
    def within_seconds(self) -> float:
        """After how long the stop is aborted."""
        return self.linger_seconds + self.drain_seconds + self.grace_seconds + CLOSE_SECONDS


class Lifecycle:
    """The resources, tasks and callbacks of a service.

    Attributes:
        service: The service's name.
        readiness: Unready until `main` has returned, and again once lingering has ended.
        stopping: Set by the stop signal.
        held_until: What `may_begin` is still to wait for.
        started: Whether `main` has returned.
        failure: The error of a failed background task.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.readiness = Readiness()
        self.readiness.expect("started")
        self.stopping = asyncio.Event()
        self._resources = AsyncExitStack()
        self._drains: list[Callable[[], Awaitable[None] | None]] = []
        self._stops: list[Callable[[float], Awaitable[None]]] = []
        self.held_until: asyncio.Event | None = None
        self.started = False
        self.failure: BaseException | None = None

    async def enter(self, resource: AbstractAsyncContextManager[Resource]) -> Resource:
        """Opens a resource; it is closed after those opened or tasks begun later."""
        return await self._resources.enter_async_context(resource)

    def on_drain(self, callback: Callable[[], Awaitable[None] | None]) -> None:
        """Calls back first on a stop: announce that nothing new should be sent here."""
        self._drains.append(callback)

    def on_stop(self, callback: Callable[[float], Awaitable[None]]) -> None:
        """Calls back next, with the grace in seconds: accept nothing new, finish work in flight.

        These callbacks run concurrently; resources are still open.
        """
        self._stops.append(callback)

    async def may_begin(self) -> None:
        """Waits until tasks may begin and ports may listen; what can be wrong is checked before."""
        if self.held_until is not None:
            await self.held_until.wait()
            self.held_until = None

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs a background task; it is cancelled when resources are closed, in reverse order.

        A task that fails ends the service with status 1.

        Raises:
            RuntimeError: the start has not awaited `may_begin`.
        """
        if self.held_until is not None:
            work.close()
            raise RuntimeError(f"{name!r} begins before `may_begin` was awaited")
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
            # Still ready: Kubernetes itself removes a pod that it deletes from its Services. If every pod of
            # a Service is being deleted, it routes to those that are still ready.
            await asyncio.sleep(stop.linger_seconds)
        self.readiness.stop()
        for drain in self._drains:
            try:
                result = drain()
                if result is not None:
                    await result
            except Exception:
                # The servers are stopped all the same: work in flight is to be finished.
                log.exception("draining failed; stopping goes on")
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
    `linger_seconds` pass while it serves as before, readiness ends, drain callbacks run, `drain_seconds`
    pass, servers stop with the grace, resources close in reverse order. A second signal ends the process
    at once.

    Args:
        service: Name in logs and messages.
        main: Builds the service on the lifecycle it is given.
        grace_seconds: How long work in flight may take after the signal.
        drain_seconds: How long to accept calls after the drain callbacks, while callers move elsewhere.
        linger_seconds: How long to serve as before after the signal, for callers with cached DNS answers.
        debug: Whether to log the traceback of a failed start.

    Raises:
        SystemExit: always; 0 after a clean stop, 1 if the start or a part failed, 130 if a second signal
            aborted the stop.
    """
    if drain_seconds is None:
        drain_seconds = LINGERING_DRAIN_SECONDS if linger_seconds else DRAIN_SECONDS
    fast_imports.end()
    _allow_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(
            _live(service, main, Stop(linger_seconds, drain_seconds, grace_seconds), debug=debug)
        )
        if status == exits.ABORTED:
            exits.exit_at_once(status)
    sys.exit(status)


def _allow_open_files() -> None:
    """Raises the soft limit of open files to the hard limit: the common 1,024 is too low for many streams."""
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
    """Runs `main`; returns whether it finished before the stop signal."""
    started = monotonic()
    try:
        await main(lifecycle)
    except asyncio.CancelledError:
        _uncancel()
        return False
    lifecycle.started = True
    if lifecycle.stopping.is_set():
        return False
    _freeze_heap()
    lifecycle.readiness.set("started", ok=True)
    log.info("serving", start_seconds=round(monotonic() - started, 3))
    return True


def _freeze_heap() -> None:
    """Exempts permanent objects from garbage collection, which takes 60 ms of a busy gateway each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


async def _in_time(work: Coroutine[Any, Any, None], within_seconds: float) -> int:
    """Awaits a part of the stop; returns `exits.ABORTED` if a second signal or the timeout aborted it."""
    try:
        async with asyncio.timeout(within_seconds):
            await work
    except TimeoutError:
        log.warning("stop aborted: it took too long", seconds=within_seconds)
        return exits.ABORTED
    except asyncio.CancelledError:
        _uncancel()
        log.warning("stop aborted by a second signal")
        return exits.ABORTED
    except Exception:
        log.exception("stop failed")
    return 0


def _handle_signals(lifecycle: Lifecycle) -> None:
    """The first signal begins the stop, or ends the start; later ones abort the stop."""
    task = asyncio.current_task()

    def on_signal() -> None:
        if task is not None and (lifecycle.stopping.is_set() or not lifecycle.started):
            task.cancel()
        lifecycle.stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
