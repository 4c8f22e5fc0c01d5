"""`python -m devstack up`: runs everything in the foreground until Ctrl-C or SIGTERM."""

import argparse
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from devstack import ports, prometheus
from devstack.program import ProgramError
from devstack.prometheus import Prometheus
from devstack.settings import Settings
from devstack.stack import Stack
from devstack.supervisor import Supervisor
from devstack.terminal import Terminal

_PR_SET_PDEATHSIG = 1
SAME_KEYPRESS_SECONDS = 1.0


class _Stop(BaseException):
    """A signal asked us to stop."""


class _Signals:
    """Raises `_Stop` on the first signal, and on one more after a while.

    One Ctrl-C may arrive twice, from the terminal and from make: the second is ignored.
    """

    def __init__(self) -> None:
        self._first_at: float | None = None
        self._hurried = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        now = time.monotonic()
        if self._first_at is None:
            self._first_at = now
            raise _Stop
        if now - self._first_at > SAME_KEYPRESS_SECONDS and not self._hurried:
            self._hurried = True
            raise _Stop


def main(arguments: list[str]) -> int:
    """Runs what the command line asks for and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    up = commands.add_parser("up", help="run everything in the foreground")
    up.add_argument(
        "--with-parent", action="store_true", help="stop when the process that started this one ends"
    )
    known = parser.parse_args(arguments)
    if known.with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return _up(Terminal.of_stdout())


def _up(terminal: Terminal) -> int:
    _Signals()
    stack: Stack | None = None
    beside: Prometheus | None = None
    try:
        settings = Settings.read(os.environ)
        terminal.say(f"starting Vestibule; its data is in {settings.data_dir}")
        stack = Stack(settings.data_dir, settings.environment, free_ports=False, report=terminal.step)
        stack.start()
        terminal.ignore_older(settings.data_dir / "logs")
        beside = _observing(stack, terminal) if settings.observe else None
        terminal.table(stack, beside)
        Supervisor(stack, terminal, beside).watch()
    except (_Stop, BrokenPipeError):
        return _end(stack, terminal, status=0)
    except ProgramError as error:
        return _end(stack, terminal, status=1, trouble=str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _end(
            stack,
            terminal,
            status=1,
            trouble=f"{place}{error.strerror or error}; set DATA_DIR to a folder that can be written",
        )
    finally:
        if beside is not None:
            beside.stop()
    return 0


def _observing(stack: Stack, terminal: Terminal) -> Prometheus | None:
    """Starts Prometheus beside the stack, or says why it cannot."""
    if prometheus.binary() is None:
        terminal.trouble(
            "OBSERVE=1, but `prometheus` is not installed: install Debian's prometheus, or look at "
            f"{stack.base_url}/status/metrics, which does without"
        )
        return None
    targets: dict[str, list[str]] = {}
    for one in stack.services.values():
        targets.setdefault(one.service.name, []).append(one.http)
    usual = prometheus.USUAL_PORT if ports.is_free(prometheus.USUAL_PORT) else 0
    port = stack.settings.port("PROMETHEUS_PORT")
    began = time.monotonic()
    observer = Prometheus(stack.folder / "prometheus", targets, usual if port is None else port)
    observer.start()
    terminal.step("prometheus is ready", time.monotonic() - began)
    return observer


def _end(stack: Stack | None, terminal: Terminal, *, status: int, trouble: str = "") -> int:
    """Stops everything; a second signal ends it at once."""
    try:
        if stack is not None:
            began = time.monotonic()
            if not trouble:
                _try_say(terminal, "\nstopping; press Ctrl-C again to stop at once")
            stack.stop()
            if not trouble:
                terminal.follow(stack)
                _try_say(terminal, f"stopped after {time.monotonic() - began:.1f} s")
    except (_Stop, BrokenPipeError):
        if stack is not None:
            stack.kill()
    if trouble:
        print(f"vestibule: {trouble}", file=sys.stderr)
    return status


def _try_say(terminal: Terminal, line: str) -> None:
    try:
        terminal.say(line)
    except OSError:
        # The terminal is gone; everything still has to be stopped.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 open as long as we live


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
