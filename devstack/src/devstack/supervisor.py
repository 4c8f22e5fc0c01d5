"""Supervises a running stack: a process that ends is reported and started again, until the stack stops."""

import time
from dataclasses import dataclass, field

from devstack.postgres import Postgres
from devstack.program import ProgramError, last_lines
from devstack.prometheus import Prometheus
from devstack.service import ServiceProcess
from devstack.stack import Stack
from devstack.terminal import Terminal
from devstack.valkey import Valkey

LOOK_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 30.0
STEADY_SECONDS = 30.0
"""A process that ran this long is started again after the first pause."""


_Part = ServiceProcess | Postgres | Valkey | Prometheus


@dataclass
class _Watched:
    """What is known of a part.

    Attributes:
        pause_seconds: How long to wait before the next start.
        started_at: When it was started last.
        start_at: When to start it again; None while it lives.
    """

    pause_seconds: float = FIRST_PAUSE_SECONDS
    started_at: float = field(default_factory=time.monotonic)
    start_at: float | None = None


class Supervisor:
    """Keeps a stack alive.

    Args:
        stack: The stack, started.
        terminal: Where to report.
        prometheus: What runs beside it; None when nothing does.
    """

    def __init__(self, stack: Stack, terminal: Terminal, prometheus: Prometheus | None = None) -> None:
        self._stack = stack
        self._terminal = terminal
        servers = {"postgres": stack.postgres, "redis": stack.valkey, "prometheus": prometheus}
        self._parts: dict[str, _Part] = {
            **{name: server for name, server in servers.items() if server is not None},
            **stack.services,
        }
        self._watched = {name: _Watched() for name in self._parts}
        self._unready: set[str] = set()

    def watch(self) -> None:
        """Goes on until an exception, such as that of a signal, ends it."""
        while True:
            self._terminal.follow(self._stack)
            for name in self._parts:
                self._look_after(name)
            for name in sorted(self._unready):
                self._report_if_back(name)
            time.sleep(LOOK_SECONDS)

    def _look_after(self, name: str) -> None:
        part, watched = self._parts[name], self._watched[name]
        now = time.monotonic()
        if watched.start_at is None and not part.is_running:
            if now - watched.started_at > STEADY_SECONDS:
                watched.pause_seconds = FIRST_PAUSE_SECONDS
            watched.start_at = now + watched.pause_seconds
            self._terminal.trouble(
                f"{name} {_how_it_ended(part)}; starting it again in {watched.pause_seconds:.2g} s"
            )
            watched.pause_seconds = min(watched.pause_seconds * 2, PAUSE_SECONDS_MAX)
        if watched.start_at is not None and now >= watched.start_at:
            watched.start_at, watched.started_at = None, now
            self._start(name)

    def _start(self, name: str) -> None:
        try:
            self._parts[name].start()
        except ProgramError as error:
            self._terminal.trouble(f"{name}: {error}")
        self._stack.write_topology()
        self._unready.add(name)

    def _report_if_back(self, name: str) -> None:
        part = self._parts[name]
        if part.is_running and (not isinstance(part, ServiceProcess) or part.is_ready()):
            self._unready.discard(name)
            seconds = time.monotonic() - self._watched[name].started_at
            self._terminal.say(f"vestibule: {name} is back after {seconds:.1f} s (process {part.pid})")


def _how_it_ended(part: _Part) -> str:
    if isinstance(part, ServiceProcess):
        return part.how_it_ended()
    status = part.process.returncode if part.process is not None else None
    return f"ended with status {status}: {last_lines(part.folder / 'log')}"
