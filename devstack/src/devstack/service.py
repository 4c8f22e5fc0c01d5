"""One service as a process."""

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack import program
from devstack.program import Program, ProgramError
from devstack.topology import Service

READY_WITHIN_SECONDS = 60.0
GRACE_SECONDS = 10.0
"""How long a service gives what is in flight, unless `SHUTDOWN_GRACE_SECONDS` says otherwise."""

CLOSE_SECONDS = 7.0
"""How long it may take after that, before it is killed."""

LOG_BYTES_MAX = 8_000_000


@dataclass
class ServiceProcess(Program):
    """One process of a service; it may be stopped, killed, paused and started again.

    Attributes:
        name: The service's name; a second gateway is `gateway-2`.
        service: Which service.
        environment: All of its environment.
        http_port: Where it answers HTTP on 127.0.0.1.
        grpc_port: Where it answers gRPC on 127.0.0.1; None for a gateway.
        log_path: Where its log is.
        python: The interpreter that its program is installed for.
    """

    name: str
    service: Service
    environment: Mapping[str, str]
    http_port: int
    grpc_port: int | None
    log_path: Path
    python: str = sys.executable
    process: "subprocess.Popen[bytes] | None" = None
    log_from: int = 0

    @property
    def http(self) -> str:
        """`host:port` of HTTP."""
        return f"127.0.0.1:{self.http_port}"

    @property
    def grpc(self) -> str | None:
        """`host:port` of gRPC."""
        return None if self.grpc_port is None else f"127.0.0.1:{self.grpc_port}"

    @property
    def log(self) -> str:
        """What the latest process wrote."""
        with self.log_path.open("rb") as log:
            log.seek(self.log_from)
            return log.read().decode(errors="replace")

    def start(self) -> None:
        """Starts the process and returns at once.

        Raises:
            ProgramError: it cannot be started.
        """
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES_MAX:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        self.log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        self.process = program.spawn(
            [self.python, "-m", self.service.module],
            log=self.log_path,
            signal="TERM",
            environment=self.environment,
        )

    def is_ready(self) -> bool:
        """Asks `/ready`."""
        return self._ask()[0] == http.client.OK

    def wait_until_ready(
        self, within_seconds: float = READY_WITHIN_SECONDS, beside: Sequence["ServiceProcess"] = ()
    ) -> None:
        """Waits for `/ready`.

        Args:
            within_seconds: How long.
            beside: Processes that must run meanwhile, since this one may need them.

        Raises:
            ProgramError: a process ended, or this one is not ready in time; the message has the last lines.
        """
        deadline = time.monotonic() + within_seconds
        while not self.is_ready():
            for process in (self, *beside):
                if not process.is_running:
                    raise ProgramError(f"{process.name} {process.how_it_ended()}; see {process.log_path}")
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"{self.name} is not ready after {within_seconds:.0f} s: {self._ask()[1]};"
                    f" see {self.log_path}"
                )
            time.sleep(0.03)

    def wait_until_zero(self, gauge: str, within_seconds: float = READY_WITHIN_SECONDS) -> None:
        """Waits until a gauge of `/metrics` is 0; a release that does not have it counts as 0.

        Raises:
            ProgramError: it is not in time; the message has the last lines.
        """
        deadline = time.monotonic() + within_seconds
        while self._is_one(gauge):
            if time.monotonic() > deadline or not self.is_running:
                raise ProgramError(f"{gauge} of {self.name} stays at 1: {self.how_it_ended()}")
            time.sleep(0.03)

    def stop(self) -> None:
        """Asks it to stop, and kills it when it does not."""
        self.resume()
        grace_seconds = float(self.environment.get("SHUTDOWN_GRACE_SECONDS", GRACE_SECONDS))
        if self.process is not None:
            program.end(self.process, signal.SIGTERM, grace_seconds + CLOSE_SECONDS)

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def pause(self) -> None:
        """Lets it hang: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after a pause."""
        self._signal(signal.SIGCONT)

    def how_it_ended(self, lines: int = 3) -> str:
        """Says how the latest process ended, with its last lines."""
        status = self.process.returncode if self.process is not None else None
        how = (
            f"was ended by {signal.Signals(-status).name}"
            if status and status < 0
            else f"ended with status {status}"
        )
        last = " / ".join(self.log.strip().splitlines()[-lines:])
        return f"{how}: {last}" if last else how

    def _signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def _is_one(self, gauge: str) -> bool:
        try:
            return f"\n{gauge} 1.0\n" in self._get("/metrics")[1].decode()
        except (OSError, http.client.HTTPException):
            return True

    def _ask(self) -> tuple[int, str]:
        try:
            status, body = self._get("/ready")
        except (OSError, http.client.HTTPException) as error:
            return 0, f"it does not answer on port {self.http_port} ({type(error).__name__})"
        return status, _checks(body)

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=1)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _checks(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body)["checks"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
