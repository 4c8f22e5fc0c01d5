"""Threads for slow, CPU-bound work: one per core, with a short queue, and refused at once when it is full."""

import asyncio
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

from chassis.tracing import traces
from prometheus_client import Counter, Gauge, Histogram

from auth_service.domain.errors import HashingOverloaded

Result = TypeVar("Result")

_IDLE_SECONDS = 5.0
_NICER_BY = 5
"""Than the event loop: while others have work, a thread gets a third of their share of a core. With 15 it got
a thirtieth: no better for reads during a flood, and hashes took seconds on a busy machine."""

_M_ARENA_MAX = -8
"""glibc's name for how many heaps there may be."""

_JOBS = Gauge("auth_hashing_jobs", "Passwords being hashed or waiting for it.")
_JOBS_MAX = Gauge(
    "auth_hashing_jobs_max", "Passwords being hashed or waiting at which further ones are refused."
)
_WORKERS = Gauge("auth_hashing_workers", "Threads that hash.")
_WAIT = Histogram(
    "auth_hashing_wait_seconds",
    "Time spent waiting for a thread.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
_WORK = Histogram(
    "auth_hashing_work_seconds",
    "Time spent in a thread, hashing a password.",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0),
)
_TRUST_IN_LAST = 0.1
"""Weight of the last job in the average by which waiting times are estimated."""

_WAIT_SECONDS = 2.0
"""How long a job may wait: less than half of a call's deadline."""

_REFUSED = Counter("auth_hashing_refused_total", "Passwords refused because too many were waiting.")


def usable_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0))


class HashingPool:
    """Runs jobs in threads, a bounded number of them waiting.

    What waits is dropped when its caller gives up, so the deadline of a call is the
    deadline of its place in the queue. A job is refused when the queue is full, and earlier while
    jobs take so long that it would wait for more than `wait_seconds`.

    Blocks of other systems' hashes, up to 32 MiB, are kept between jobs, and given back to the system when
    no job has come for a while. libsodium gives back its own after each hash.

    The threads are nice to the event loop. On a busy machine it would otherwise get one share
    of the time among several, and with it the calls by which other services verify tokens.
    """

    def __init__(self, *, workers: int, queue_per_worker: int, wait_seconds: float = _WAIT_SECONDS) -> None:
        """Starts with no job.

        Args:
            workers: Threads.
            queue_per_worker: Jobs that may wait for each thread.
            wait_seconds: How long a job may be expected to wait.
        """
        # Of several heaps, glibc could not give back what the threads' own ones hold.
        _glibc("mallopt", _M_ARENA_MAX, 1)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="hashing", initializer=_go_last)
        self._places = workers * (1 + queue_per_worker)
        self._wait_seconds = wait_seconds
        self._jobs = 0
        self._workers = workers
        self._job_seconds = 0.0
        _JOBS.set_function(lambda: self._jobs)
        _JOBS_MAX.set_function(lambda: self.jobs_max)
        _WORKERS.set(workers)
        self._lock = threading.Lock()
        self._idle: asyncio.TimerHandle | None = None

    @property
    def jobs_max(self) -> int:
        """How many jobs there may be at this moment: more while they are short."""
        if not self._job_seconds:
            return self._places
        in_time = int(self._workers * (1 + self._wait_seconds / self._job_seconds))
        return min(self._places, in_time)

    def admit(self) -> None:
        """Returns when there is room for another job at this moment.

        Raises:
            HashingOverloaded: too many wait already.
        """
        if self._jobs >= self.jobs_max:
            _REFUSED.inc()
            # Before a place can be free, callers need not ask.
            raise HashingOverloaded(hold_seconds=self._job_seconds / self._workers)

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Runs a job in a thread and returns its result.

        Raises:
            HashingOverloaded: too many wait already.
        """
        with self._lock:
            self.admit()
            self._jobs += 1
        try:
            job = self._executor.submit(self._timed, time.perf_counter(), work, *arguments)
        except RuntimeError as error:
            self._ended(None)
            raise HashingOverloaded from error
        # A thread does not stop when its caller does: the place is free when the thread is.
        job.add_done_callback(self._ended)
        try:
            with traces.span(f"thread {getattr(work, '__name__', '').strip('_')}"):
                return await asyncio.wrap_future(job)
        finally:
            self._tidy_up_later()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drops what waits and lets the threads end."""
        if self._idle is not None:
            self._idle.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _tidy_up_later(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, _glibc, "malloc_trim", 0)

    def _ended(self, job: Future[Any] | None) -> None:
        del job
        with self._lock:
            self._jobs -= 1

    def _timed(self, submitted: float, work: Callable[..., Result], *arguments: Any) -> Result:
        started = time.perf_counter()
        _WAIT.observe(started - submitted)
        try:
            return work(*arguments)
        finally:
            took = time.perf_counter() - started
            _WORK.observe(took)
            self._job_seconds += _TRUST_IN_LAST * (took - self._job_seconds)


def _go_last() -> None:
    """Makes this thread alone nice, where the system knows of niceness by thread."""
    if sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + _NICER_BY)


def _glibc(name: str, *arguments: int) -> None:
    """Calls a function of the C library, where it has one of that name."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
