"""Starting and stopping processes, so that none outlives us."""

import functools
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""Starts every process. The kernel takes the death of the starting *thread* for that of the
parent, so processes are started by one thread that lives as long as the program."""


class ProgramError(Exception):
    """A program does not run; the message says which and what to do."""


class Program:
    """A program that may have been started.

    Attributes:
        process: The latest process; None before the first.
    """

    process: "subprocess.Popen[bytes] | None"

    @property
    def pid(self) -> int | None:
        """The id of the process; None when it does not run."""
        return self.process.pid if self.process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process is there, paused or not."""
        return self.process is not None and self.process.poll() is None


def unprivileged_user(data: Path) -> int | None:
    """Returns the id of the user that runs what refuses to run as root; None when we are not root.

    Args:
        data: What the program works on. Its owner, if it exists, stays its owner.

    Raises:
        ProgramError: there is no such user.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise ProgramError(
        "Postgres does not run as root, and there is no user `postgres` or `nobody` to run it as"
    )


def bound_to_us(command: Sequence[str], *, signal: str, user: int | None = None) -> list[str]:
    """Returns the command so that it gets a signal when this process dies, and runs as `user`.

    A user of its own keeps one capability: to pass through folders that only root may enter,
    such as a checkout in root's home.

    Raises:
        ProgramError: there is no way to become `user`.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if user is not None:
            raise ProgramError(
                "`setpriv` (Debian's util-linux) is missing; install it, or do not run as root"
            )
        return list(command)
    if user is None:
        return [setpriv, "--pdeathsig", signal, "--", *command]
    as_user = (setpriv, "--reuid", str(user), "--regid", str(group_of(user)), "--clear-groups")
    return [*as_user, *_passing_folders(as_user), "--pdeathsig", signal, "--", *command]


def group_of(user: int) -> int:
    """Returns the id of a user's own group."""
    try:
        return pwd.getpwuid(user).pw_gid
    except KeyError:
        return user


@functools.cache
def _passing_folders(as_user: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the options that keep the capability; none where root itself has it not."""
    options = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    tried = subprocess.run([*as_user, *options, "--", "true"], check=False, capture_output=True, cwd="/")
    return options if tried.returncode == 0 else ()


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    signal: str,
    user: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Starts a process in a session of its own, its output appended to a log.

    Args:
        command: Program and arguments.
        log: Where stdout and stderr go.
        signal: What it gets when this process dies, such as `TERM`.
        user: Id of the user that it runs as; ours when None.
        environment: All of its environment; ours when None.

    Raises:
        ProgramError: it cannot be started.
    """

    def start() -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(
                bound_to_us(command, signal=signal, user=user),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment,
                start_new_session=True,
            )

    try:
        return _SPAWNER.submit(start).result()
    except OSError as error:
        raise ProgramError(f"{command[0]} cannot be started: {error.strerror}") from error


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", name: str, log: Path) -> None:
    """Waits until a program answers.

    Raises:
        ProgramError: it ended, or did not answer within 30 s; its last lines are in the message.
    """
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None:
            raise ProgramError(f"{name} ended with status {process.returncode}: {last_lines(log)}")
        if time.monotonic() > deadline:
            raise ProgramError(f"{name} did not answer within 30 s: {last_lines(log)}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether a program listens on a port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def last_lines(log: Path, count: int = 3) -> str:
    """Returns the last lines of a log in one."""
    try:
        return " / ".join(log.read_text(errors="replace").strip().splitlines()[-count:])
    except OSError:
        return "it left no log"


def end(process: "subprocess.Popen[bytes]", number: int, grace_seconds: float) -> None:
    """Sends a signal and waits; kills what does not end within the grace."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
