"""The README is true: its commands run, and print what it shows."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from devstack.ports import free_port

from tests.devstack.running import own_ports
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

VARIES = (
    (re.compile(r"eyJ[\w.-]+…?"), "<access token>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r'("refresh_token": ")[^"]+'), r"\1<refresh token>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
)
"""What differs from run to run, with what it is compared as."""


@dataclass
class Step:
    """One command of the README with the lines that it is shown to print."""

    command: str
    printed: list[str] = field(default_factory=list)


@pytest.fixture(name="started")
def _started(tmp_path: Path) -> Iterator[str]:
    """The system, started by the command that the README shows, on another port and in another folder."""
    (command,) = re.findall(r"^(BOOTSTRAP_ADMIN_EMAIL=.*make up)$", README.read_text("utf-8"), re.MULTILINE)
    make = shutil.which("make")
    if make is None:
        pytest.skip("needs make")
    # The installed packages are tested; `make` would check whether they are up to date.
    script = f'make() {{ {make} --directory="{ROOT}" --assume-old=.venv/.runs "$@"; }}\n{command}\n'
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    port = free_port()
    environment = {**kept, **own_ports(), "GATEWAY_PORT": str(port), "DATA_DIR": str(tmp_path / "data")}
    with (tmp_path / "log").open("w+b") as log:
        system = subprocess.Popen(
            ["bash", "-c", script], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_ready(tmp_path / "log", system)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(system.pid, signal.SIGTERM)
            system.wait(30)


def _wait_until_ready(log: Path, system: "subprocess.Popen[bytes]") -> None:
    def is_ready() -> bool:
        assert system.poll() is None, log.read_text("utf-8")
        return "ready: http://127.0.0.1:" in log.read_text("utf-8")

    wait_for(is_ready, within_seconds=240)


@pytest.mark.nightly
def test_session(started: str, tmp_path: Path) -> None:
    """Every command of the README, run in its order in one shell, prints what stands below it."""
    text = README.read_text(encoding="utf-8")
    assert "http://127.0.0.1:8000" in text
    steps = _steps(text.replace("http://127.0.0.1:8000", started))
    printed = _run([step.command for step in steps], tmp_path)

    assert len(steps) > 10
    for step, lines in zip(steps, printed, strict=True):
        assert _normal(step.printed) == _normal(lines), step.command


def test_two_commands_exist() -> None:
    """The two commands that the README opens with are targets of the Makefile."""
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^make (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE)

    assert {"up", "test"} <= set(commands)
    for target in commands:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def _steps(text: str) -> list[Step]:
    steps: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line[2:]))
            elif line.startswith("> "):
                steps[-1].command += "\n" + line[2:]
            else:
                steps[-1].printed.append(line)
    return steps


def _run(commands: list[str], folder: Path) -> list[list[str]]:
    """Runs commands in one shell; returns what each printed."""
    bash, mark = shutil.which("bash"), f"--- {secrets.token_hex(8)} ---"
    assert bash
    script = "".join(f"{command}\necho '{mark}'\n" for command in commands)
    done = subprocess.run(
        [bash, "-u"],
        input=script,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.stderr == ""
    return [part.strip("\n").splitlines() for part in done.stdout.split(f"{mark}\n")[:-1]]


def _normal(lines: list[str]) -> list[str]:
    text = "\n".join(lines)
    for pattern, name in VARIES:
        text = pattern.sub(name, text)
    return text.splitlines()
