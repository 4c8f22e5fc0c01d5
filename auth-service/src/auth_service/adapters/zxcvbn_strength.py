"""zxcvbn behind `PasswordStrength`: in a process of its own, with a short queue."""

import asyncio
import json
import os
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

import structlog
from chassis.errors import Unavailable
from prometheus_client import Counter, Gauge, Histogram

from auth_service.domain.password import Strength

log = structlog.get_logger()

WORKER = "auth_service.adapters.zxcvbn_worker"
WAITING_MAX = 16
START_SECONDS = 10.0
ANSWER_SECONDS = 4.0
IDLE_SECONDS = 60.0
END_SECONDS = 5.0

_LINE_BYTES_MAX = 1024 * 1024

_RATED = Histogram(
    "auth_strength_seconds",
    "Time in which the strength of passwords was rated, without waiting.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.25, 1.0, 2.5),
)
_WAITING = Gauge("auth_strength_waiting", "Passwords whose strength is being rated or waits for it.")
_REFUSED = Counter("auth_strength_refused_total", "Passwords not rated because too many were waiting.")
_KILLED = Counter(
    "auth_strength_workers_killed_total", "Processes that rate strength, killed because they gave no answer."
)


class ZxcvbnStrength:
    """Estimates guesses by dictionaries, patterns and the user's own words.

    The process is started by the first request and ended when none has come for a while. It bounds
    its own time (`zxcvbn_worker`); one that gives no answer all the same is killed.
    """

    def __init__(
        self,
        *,
        waiting_max: int = WAITING_MAX,
        answer_seconds: float = ANSWER_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        worker: str = WORKER,
    ) -> None:
        """Starts nothing yet.

        Args:
            waiting_max: Requests that may be under way or wait.
            answer_seconds: After so long without an answer the process is killed.
            idle_seconds: After so long without a request the process is ended.
            worker: The module that is run.
        """
        self._waiting_max = waiting_max
        self._answer_seconds = answer_seconds
        self._idle_seconds = idle_seconds
        self._worker = worker
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._asking: set[asyncio.Task[list[Strength]]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        _WAITING.set_function(lambda: self._waiting)

    @property
    def process_id(self) -> int | None:
        """The process that rates; None while there is none."""
        return None if self._process is None else self._process.pid

    async def __call__(self, passwords: Sequence[str], terms: Sequence[str]) -> Sequence[Strength]:
        """Returns the strength of each, for a guesser who knows the terms.

        Raises:
            Unavailable: too many passwords wait already, or no verdict came.
        """
        if self._waiting >= self._waiting_max:
            _REFUSED.inc()
            raise Unavailable
        self._waiting += 1
        # A caller who gives up must not leave an answer in the pipe for the next one.
        task = asyncio.create_task(self._ask(passwords, terms))
        self._asking.add(task)
        task.add_done_callback(self._asked)
        return await asyncio.shield(task)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the process."""
        for task in tuple(self._asking):
            task.cancel()
        if self._idle is not None:
            self._idle.cancel()
        await self._end()
        await asyncio.gather(*self._leaving)

    async def _ask(self, passwords: Sequence[str], terms: Sequence[str]) -> list[Strength]:
        request = json.dumps({"passwords": list(passwords), "terms": list(terms)}).encode() + b"\n"
        async with self._turn:
            process = await self._running()
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self._answer_seconds):
                    verdicts = await _exchange(process, request)
            except (TimeoutError, OSError, ValueError) as error:
                _KILLED.inc()
                log.error("password strength not rated: the process gave no answer", error=repr(error))  # noqa: TRY400 no traceback: it could show what was rated
                await self._end()
                raise Unavailable from None
            except asyncio.CancelledError:
                await self._end()
                raise
            _RATED.observe(time.perf_counter() - began)
        return [Strength(score=score, advice=advice) for score, advice in verdicts]

    async def _running(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        # Of the environment it gets nothing: the service's secrets are there.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._worker,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=_LINE_BYTES_MAX,
            env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                await _exchange(self._process, b'{"passwords": [], "terms": []}\n')
        except (TimeoutError, OSError, ValueError) as error:
            log.error("password strength not rated: the process did not start", error=repr(error))  # noqa: TRY400 there is nothing more to see
            await self._end()
            raise Unavailable from None
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await _killed(process)

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._process is None:
            return
        self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._rest)

    def _rest(self) -> None:
        if self._waiting or self._process is None:
            return
        process, self._process = self._process, None
        # Waited for, so that neither its pipes nor its entry in the process table are left.
        task = asyncio.create_task(_ended(process))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _asked(self, task: "asyncio.Task[list[Strength]]") -> None:
        self._waiting -= 1
        self._stay()
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # Seen, even when the caller has gone.


async def _ended(process: Process) -> None:
    """Returns when the process has ended, by itself or killed."""
    assert process.stdin is not None  # noqa: S101 it is a pipe
    # At the end of its input it ends by itself.
    process.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        await _killed(process)


async def _killed(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _exchange(process: Process, request: bytes) -> Any:
    """Returns the answer to a request.

    Raises:
        OSError: the process has ended.
        ValueError: it has ended in the middle, or what it says cannot be read.
    """
    assert process.stdin is not None  # noqa: S101 both are pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(request)
    await process.stdin.drain()
    return json.loads(await process.stdout.readline())
