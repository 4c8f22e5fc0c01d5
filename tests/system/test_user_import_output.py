"""What an import writes cannot be written: the last line says so, and the status that it was not finished."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from devstack.topology import AUTH

from tests.command_line import completed
from tests.system.client import new_email
from tests.system.running_system import System

AGAIN = "Run it again: it goes on where it has ended."


def _file(folder: Path, email: str) -> Path:
    path = folder / "users.jsonl"
    row = {"email": email, "full_name": "Ada Lovelace", "created_at": "2019-03-04T05:06:07Z"}
    path.write_text(json.dumps(row) + "\n")
    return path


def test_a_reader_that_has_left(system: System, tmp_path: Path) -> None:
    """As `… | head` does: it is not the file that cannot be read."""
    path = _file(tmp_path, "not an address")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", AUTH.module, "users", "import", str(path), "--check"],
        env=system.environment(AUTH),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    said = "users import: refused rows cannot be written to stdout: Broken pipe"
    assert (done.returncode, done.stderr.splitlines()) == (2, [said, AGAIN])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk(system: System, tmp_path: Path) -> None:
    """The user was imported before their id could not be written; a repeat finds them."""
    arguments = ("users", "import", str(_file(tmp_path, new_email())))
    done = completed(AUTH.module, system.environment(AUTH), *arguments, "--ids", "/dev/full")

    said = "users import: /dev/full cannot be written: No space left on device"
    assert (done.returncode, done.stderr.splitlines()) == (2, [said, AGAIN])
    again = completed(AUTH.module, system.environment(AUTH), *arguments)
    assert "  1 had been imported before" in again.stderr
