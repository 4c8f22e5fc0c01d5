"""What `make up` shows: progress, a table of addresses, and the logs of all services side by side."""

import os
import sys
from itertools import cycle
from pathlib import Path
from typing import TextIO

from devstack.prometheus import Prometheus
from devstack.stack import Stack
from devstack.topology import SERVICES

_COLOURS = dict(zip((service.name for service in SERVICES), cycle((36, 32, 35, 34, 33)), strict=False))
_BOLD, _DIM, _RED = 1, 2, 31
_LINES_BYTES_MAX = 1_000_000


class Terminal:
    """Writes to a terminal or a pipe; colours only on a terminal.

    Args:
        output: Where to.
        colours: Whether to colour.
    """

    def __init__(self, output: TextIO, *, colours: bool) -> None:
        self._output = output
        self._colours = colours
        self._seen: dict[Path, int] = {}

    @classmethod
    def of_stdout(cls) -> "Terminal":
        """Returns one for stdout; `NO_COLOR` is honoured."""
        return cls(sys.stdout, colours=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))

    def say(self, line: str) -> None:
        """Writes a line."""
        self._output.write(f"{line}\n")
        self._output.flush()

    def step(self, done: str, seconds: float) -> None:
        """Writes what was done in the course of the start."""
        self.say(f"  {done:<30}{self._paint(f'{seconds:5.1f} s', _DIM)}")

    def trouble(self, line: str) -> None:
        """Writes what went wrong."""
        self.say(self._paint(f"vestibule: {line}", _RED))

    def table(self, stack: Stack, prometheus: Prometheus | None = None) -> None:
        """Writes where everything is."""
        rows = [("service", "gRPC", "HTTP (metrics, health)", "process")]
        rows += [
            (name, one.grpc or "", f"http://{one.http}", str(one.pid or ""))
            for name, one in stack.services.items()
        ]
        for name, server in (("postgres", stack.postgres), ("redis", stack.valkey)):
            if server is not None:
                rows.append((name, "", f"127.0.0.1:{server.port} (its own protocol)", str(server.pid or "")))
        if prometheus is not None:
            rows.append(("prometheus", "", prometheus.url, str(prometheus.pid or "")))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        self.say("")
        for number, row in enumerate(rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            self.say(self._paint(f"  {line}", _DIM) if number == 0 else f"  {line}")
        self.say("")
        self.say(f"  API docs     {stack.base_url}/docs")
        self.say(f"  status page  {stack.base_url}/status")
        self.say(f"  metrics      {stack.base_url}/status/metrics")
        if prometheus is not None:
            self.say(f"  alerts       {prometheus.url}/alerts")
        self.say(f"  logs         {stack.folder / 'logs'}")
        self.say("")
        self.say(self._paint(f"ready: {stack.base_url}", _BOLD))

    def follow(self, stack: Stack) -> None:
        """Writes what the services have logged since the last call, each line with its service's name."""
        width = max(len(name) for name in stack.services) if stack.services else 0
        for name, service in stack.services.items():
            for line in self._new_lines(service.log_path):
                colour = _COLOURS[service.service.name]
                self.say(f"{self._paint(name.ljust(width), colour)} {self._paint('|', _DIM)} {line}")

    def ignore_older(self, folder: Path) -> None:
        """Leaves out of `follow` what the logs in a folder hold already."""
        for log in folder.glob("*.log"):
            self._seen[log] = log.stat().st_size

    def _new_lines(self, log: Path) -> list[str]:
        try:
            with log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                begin = self._seen.get(log, 0)
                file.seek(begin if begin <= size else 0)
                whole = file.read(_LINES_BYTES_MAX).rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if not whole:
            return []
        self._seen[log] = (begin if begin <= size else 0) + len(whole) + 1
        return whole.decode(errors="replace").split("\n")

    def _paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text
