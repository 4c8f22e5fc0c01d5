"""The life of a real process: started, signalled, and checked by its output and exit status."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import httpx
import pytest

from chassis import tasks

PROGRAM = """
import asyncio, sys
from contextlib import asynccontextmanager
from chassis import lifecycle, logs
from chassis.errors import Unavailable
from chassis.http.operations import open_operations
from chassis.startup_errors import StartupError

logs.configure("stock-service")

def say(text):
    print(text, flush=True)

@asynccontextmanager
async def resource(name):
    say(f"open {{name}}")
    yield name
    say(f"close {{name}}")

async def signalled(number):
    asyncio.get_running_loop().add_signal_handler(number, (was := asyncio.Event()).set)
    await was.wait()

async def tick(name):
    try:
        await asyncio.Event().wait()
    finally:
        say(f"end {{name}}")

async def main(life):
    http = await life.enter(
        open_operations(life.readiness, service="stock-service", version="1.2.3", host="127.0.0.1", port=0)
    )
    say(f"http {{http.address}}")
{body}

lifecycle.run("stock-service", main, grace_seconds=2.0, drain_seconds={drain}, linger_seconds={linger})
"""


ORDERED = """
await life.enter(resource("database"))
life.begin("relay", tick("relay"))
await life.enter(resource("channel"))
life.on_drain(lambda: say("drain"))
async def stop(grace):
    say(f"stop within {grace}")
    await asyncio.sleep(0.1)
    say("stopped serving")
life.on_stop(stop)
"""


class Program:
    """A service in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    def start(self, body: str = "    pass", *, drain: float = 0.0, linger: float = 0.0) -> None:
        file = self._folder / "program.py"
        file.write_text(PROGRAM.format(body=indent(body.strip(), "    "), drain=drain, linger=linger))
        command = [sys.executable, str(file)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no {pattern} in {self.lines}")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.lines += [line.rstrip() for line in self.process.stdout]
        return self.process.wait(10)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path)
    yield started
    if started.process is not None and started.process.stdout is not None:
        started.process.kill()
        started.process.wait()
        started.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean_and_in_order(program: Program, number: int) -> None:
    program.start(ORDERED)
    program.read_until('"serving"')
    program.signal(number)
    assert program.end() == 0
    plain = [line for line in program.lines if not line.startswith(("{", "http"))]
    assert plain == [
        "open database",
        "open channel",
        "drain",
        "stop within 2.0",
        "stopped serving",
        "close channel",
        "end relay",
        "close database",
    ]


def test_readiness_comes_after_the_start_and_goes_with_the_signal(program: Program) -> None:
    program.start("await signalled(10)", drain=3)
    base = "http://" + program.read_until(r"http (\S+)")[1]
    early = httpx.get(base + "/ready")
    assert (early.status_code, early.json()["checks"]) == (503, {"started": "starting"})
    program.signal(10)
    program.read_until('"serving"')
    ready = httpx.get(base + "/ready?verbose")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "checks": {"started": "ok"}})
    program.signal(signal.SIGTERM)
    program.read_until('"stopping"')
    late = httpx.get(base + "/ready")
    assert (late.status_code, late.json()["checks"]["process"]) == (503, "stopping")
    assert httpx.get(base + "/health").status_code == 200
    assert program.end() == 0


def test_it_serves_on_while_names_lead_here(program: Program) -> None:
    """After the signal it answers and is ready until cached names have expired, and then is unready."""
    program.start(ORDERED, linger=1.0, drain=1.0)
    base = "http://" + program.read_until(r"http (\S+)")[1]
    program.read_until('"serving"')
    program.signal(signal.SIGTERM)
    program.read_until('"stopping"')
    assert [httpx.get(base + path).status_code for path in ("/ready", "/health")] == [200, 200]
    program.read_until("drain")
    assert httpx.get(base + "/ready").status_code == 503


def test_work_in_flight_may_take_the_grace_and_no_longer(program: Program) -> None:
    program.start(
        """
async def stop(grace):
    await asyncio.sleep(60)
life.on_stop(stop)
await life.enter(resource("database"))
"""
    )
    program.read_until('"serving"')
    program.signal(signal.SIGTERM)
    started = time.monotonic()
    assert program.end() == 130
    assert 6 < time.monotonic() - started < 30  # the grace and the seconds for closing
    assert "close database" in program.lines


def test_a_second_signal_cuts_the_wait(program: Program) -> None:
    program.start(
        """
async def stop(grace):
    say("waiting")
    await asyncio.sleep(60)
life.on_stop(stop)
await life.enter(resource("database"))
"""
    )
    program.read_until('"serving"')
    program.signal(signal.SIGTERM)
    program.read_until("waiting")
    program.signal(signal.SIGTERM)
    started = time.monotonic()
    assert program.end() == 130
    assert time.monotonic() - started < 5
    assert "close database" in program.lines


def test_a_signal_during_the_start_ends_it_cleanly(program: Program) -> None:
    program.start('await life.enter(resource("database"))\nsay("starting")\nawait asyncio.sleep(60)')
    program.read_until("starting")
    program.signal(signal.SIGTERM)
    assert program.end() == 0
    assert "close database" in program.lines


@pytest.mark.parametrize(
    ("failure", "last"),
    [
        ('StartupError("schema `stock` is empty: run it")', "schema `stock` is empty: run it"),
        ("Unavailable()", "UNAVAILABLE: The service is not available just now."),
        ('ConnectionRefusedError("no one at 127.0.0.1:1")', "ConnectionRefusedError: no one at 127.0.0.1:1"),
    ],
)
def test_a_start_that_fails_ends_with_one_sentence(program: Program, failure: str, last: str) -> None:
    program.start(f'await life.enter(resource("database"))\nraise {failure}')
    assert program.end() == 1
    assert program.lines[-1] == f"stock-service: cannot start: {last}"
    assert "close database" in program.lines
    assert not any("Traceback" in line for line in program.lines)


def test_a_bug_in_the_start_shows_its_traceback(program: Program) -> None:
    program.start("{}['settings']")
    assert program.end() == 1
    assert program.lines[-1] == "stock-service: cannot start: KeyError: 'settings'"
    assert any("Traceback" in line for line in program.lines)


def test_a_port_that_is_taken_is_named(program: Program) -> None:
    taken = "host=http.address.rpartition(':')[0], port=int(http.address.rpartition(':')[2])"
    program.start(f'await life.enter(open_operations(life.readiness, service="x", version="1", {taken}))')
    assert program.end() == 1
    assert re.search(r"HTTP port 127.0.0.1:\d+ is not free .*in use.*free it", program.lines[-1])


def test_a_background_task_that_fails_ends_the_service(program: Program) -> None:
    program.start(
        """
await life.enter(resource("database"))
async def fail():
    await asyncio.sleep(0.05)
    raise KeyError("bug")
life.begin("relay", fail())
"""
    )
    assert program.end() == 1
    assert "close database" in program.lines
    assert any('"background task failed"' in line and '"task":"relay"' in line for line in program.lines)


def test_an_idle_service_is_small_and_quick_to_start(program: Program) -> None:
    program.start()
    program.read_until('"serving"')
    assert program.process is not None
    hundredths = Path(f"/proc/{program.process.pid}/stat").read_text().split()[13:15]
    assert sum(map(int, hundredths)) < 300  # seconds of the processor
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]
    assert resident < 80 * 1024
    program.signal(signal.SIGTERM)
    assert program.end() == 0


async def test_task_that_loses_a_cancellation_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11's `wait_for` can lose one: a task is asked again until it ends."""
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_SECONDS", 0.01)

    async def deaf() -> None:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await tasks.end_task(task)
    assert task.cancelled()


def test_takes_the_open_files_that_it_may() -> None:
    """However few the shell gave: a thousand listeners need more than a thousand."""
    script = (
        "import resource\n"
        "from chassis import lifecycle\n"
        "async def main(life):\n"
        "    print(resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)\n"
        "    life.stop()\n"
        "lifecycle.run('stock-service', main)\n"
    )
    command = ["sh", "-c", 'ulimit -S -n 256 && exec "$0" -c "$1"', sys.executable, script]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    soft, hard = said.strip("()").split(", ")

    assert soft == hard
