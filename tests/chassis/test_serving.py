"""A service begins its work only on a node whose clock is right."""

import asyncio
import os
import sys

import pytest
from devstack.valkey import Valkey

from tests.fakes.service_keys import key_settings

PROGRAM = """
import time
right = time.time
time.time = lambda: right() + {ahead}
from chassis.serving import serve
from chassis.settings import ServiceSettings, load

async def work():
    print("works", flush=True)

async def start(lifecycle, settings):
    {start}
    print("begins to work", flush=True)

serve("user-service", load(ServiceSettings), start, release="1.0.0")
"""

WAITS = "await lifecycle.may_begin()"


@pytest.mark.parametrize(("ahead", "begins"), [(0, True), (60, False), (-60, False)])
async def test_a_start_waits_for_a_right_clock(valkey: Valkey, ahead: int, *, begins: bool) -> None:
    """Otherwise it would put genuine events aside as being of the future, and miss revocations."""
    environment = os.environ | key_settings("user-service") | {"REDIS_URL": valkey.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.format(ahead=ahead, start=WAITS), env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    first = b""
    while b"begins to work" not in first and b"set the clocks" not in first:
        first = await asyncio.wait_for(process.stdout.readline(), 30)
        assert first, "it ended"
    await asyncio.sleep(0.5)
    process.terminate()
    rest, _ = await process.communicate()

    assert (b"begins to work" in first + rest) == begins, first + rest
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("start", "last"),
    [
        ("raise RuntimeError('no such schema')", b"cannot start: RuntimeError: no such schema"),
        ("lifecycle.begin('mails', work())", b"'mails' begins before `may_begin` was awaited"),
        ("pass", b"the start has not awaited `may_begin`"),
    ],
)
async def test_what_is_wrong_besides_is_said_without_waiting(valkey: Valkey, start: str, last: bytes) -> None:
    """Also of a start that forgets to wait, however right its clock is."""
    environment = os.environ | key_settings("user-service") | {"REDIS_URL": valkey.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.format(ahead=60, start=start), env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()

    assert last in said.splitlines()[-1]
    assert b"works" not in said
    assert process.returncode == 1
