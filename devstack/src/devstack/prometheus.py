"""A real Prometheus on loopback with the rules of the chart, where the program is installed."""

import http.client
import json
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack import ports, program
from devstack.program import Program, ProgramError

RULES = Path(__file__).parents[3] / "helm" / "vestibule" / "files" / "alerts"
USUAL_PORT = 9090
STOP_SECONDS = 5.0


def binary() -> str | None:
    """Returns where the program is; None where it is not installed."""
    return shutil.which("prometheus")


@dataclass
class Prometheus(Program):
    """One server that scrapes every service and evaluates the rules.

    Attributes:
        folder: Holds its configuration, its data of one day and its log.
        targets: `host:port` of every process, by the service's name.
        port: Where it listens on 127.0.0.1; a free port when 0.
        interval_seconds: How often it scrapes and evaluates.
    """

    folder: Path
    targets: Mapping[str, Sequence[str]]
    port: int = 0
    interval_seconds: int = 5
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts the server and waits until it answers.

        Raises:
            ProgramError: it is not installed, or does not run.
        """
        found = binary()
        if found is None:
            raise ProgramError("`prometheus` (Debian's prometheus) is not installed")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.port:
            self.port = ports.free_port()
        configuration = self.folder / "prometheus.yml"
        # JSON is YAML.
        configuration.write_text(json.dumps(self._configuration(), indent=2))
        command = [
            found,
            *(f"--config.file={configuration}", f"--storage.tsdb.path={self.folder / 'data'}"),
            *("--storage.tsdb.retention.time=1d", "--log.level=warn"),
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        log = self.folder / "log"
        self.process = program.spawn(command, log=log, signal="TERM")
        program.wait_until(self._is_ready, self.process, "Prometheus", log)

    def stop(self) -> None:
        """Stops the server."""
        if self.process is not None:
            program.end(self.process, signal.SIGTERM, STOP_SECONDS)

    @property
    def url(self) -> str:
        """Where its pages and its API are."""
        return f"http://127.0.0.1:{self.port}"

    def _configuration(self) -> dict[str, object]:
        interval = f"{self.interval_seconds}s"
        jobs = [
            {"job_name": name, "static_configs": [{"targets": list(addresses)}]}
            for name, addresses in self.targets.items()
        ]
        return {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": [str(RULES / "*.yaml")],
            "scrape_configs": jobs,
        }

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
