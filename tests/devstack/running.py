"""`python -m devstack up` as a process, seen from outside."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from devstack.ports import free_port
from devstack.topology import SERVICES

from tests.conftest import STACK_ENVIRONMENT
from tests.waiting import WITHIN_SECONDS

START_SECONDS = 240.0
"""The limit of a start on a busy machine."""


_DEFAULTS = {"KNOWLEDGE": "0", "GATEWAY_PORT": "0"}
"""Optional services are off, as they are by default."""


def own_ports() -> dict[str, str]:
    """Returns settings with a free port for each service: others may start with the usual ones just now."""
    return {
        f"{service.prefix}_{kind}_PORT": str(free_port())
        for service in SERVICES
        if service.grpc_port
        for kind in ("HTTP", "GRPC")
    }


class Up:
    """One run of the command.

    Args:
        data_dir: Where it keeps its data.
        environment: Settings besides those of the tests.
        prefix: Command that starts it, such as one that changes the user.
        python: The interpreter that it is installed for.
    """

    def __init__(
        self, data_dir: Path, *prefix: str, python: str = sys.executable, **environment: str
    ) -> None:
        self.data_dir = data_dir
        self._lines: list[str] = []
        self.process = subprocess.Popen(
            [*prefix, python, "-m", "devstack", "up"],
            env={**STACK_ENVIRONMENT, **_DEFAULTS, **own_ports(), "DATA_DIR": str(data_dir), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.wait()

    @property
    def output(self) -> str:
        """The output so far."""
        return "\n".join(self._lines)

    @property
    def topology(self) -> dict[str, Any]:
        """The content of `topology.json`."""
        found: dict[str, Any] = json.loads((self.data_dir / "topology.json").read_text())
        return found

    @property
    def pids(self) -> dict[str, int]:
        """The id of every process of the stack."""
        topology = self.topology
        return {name: part["pid"] for name, part in (topology["services"] | topology["backing"]).items()}

    def wait_for(self, pattern: str, seconds: float = START_SECONDS) -> "re.Match[str]":
        """Waits for a line.

        Raises:
            AssertionError: it does not come.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if match := re.search(pattern, self.output, re.MULTILINE):
                return match
            if not self._reader.is_alive():
                break
            time.sleep(0.02)
        raise AssertionError(f"no line like {pattern!r} in:\n{self.output}")

    def wait_until_ready(self) -> str:
        """Waits for the last line of the start and returns the URL in it."""
        return self.wait_for(r"^ready: (\S+)$").group(1)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Waits until it has ended and returns its status."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def stop(self) -> int:
        """Asks it to stop and returns its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self._lines.append(line.rstrip("\n"))


def leftovers(data_dir: Path, environment_too: bool = True) -> Mapping[int, str]:
    """Returns the processes that work in a folder, with their command lines."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
            environment = (process / "environ").read_text(errors="replace")
        except OSError:
            continue
        if str(data_dir) in command or (environment_too and f"={data_dir}" in environment):
            found[int(process.name)] = command
    return found


def until_none_is_left(data_dir: Path) -> Mapping[int, str]:
    """Waits until no process works in a folder; returns those that still do after a minute."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while (left := leftovers(data_dir)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
