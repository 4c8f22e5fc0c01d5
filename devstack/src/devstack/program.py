"""Starting and stopping the programs of others: Postgres and Valkey."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class ProgramError(Exception):
    """A program does not run; the message says which and what to do."""


def free_port() -> int:
    """Returns a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def unprivileged_user() -> str | None:
    """Returns the user that runs what refuses to run as root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise ProgramError(
        "Postgres does not run as root, and there is no user `postgres` or `nobody` to run it as"
    )


def bound_to_us(command: Sequence[str], *, signal: str, user: str | None = None) -> list[str]:
    """Returns the command so that it gets a signal when this process dies, and runs as `user`.

    A user of its own keeps one capability: to pass through folders that only root may enter,
    such as a checkout in root's home.
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
    group = str(pwd.getpwnam(user).pw_gid)
    capability = "+dac_override"
    return [
        setpriv,
        *("--reuid", user, "--regid", group, "--clear-groups"),
        *("--inh-caps", capability, "--ambient-caps", capability),
        *("--pdeathsig", signal, "--", *command),
    ]


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
    """Says whether somebody listens on a port of the loopback interface."""
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
