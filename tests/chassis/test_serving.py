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

async def start(lifecycle, settings):
    print("begins to work", flush=True)

serve("user-service", load(ServiceSettings), start, release="1.0.0")
"""


@pytest.mark.parametrize(("ahead", "begins"), [(0, True), (60, False), (-60, False)])
async def test_a_start_waits_for_a_right_clock(valkey: Valkey, ahead: int, *, begins: bool) -> None:
    """Otherwise it would put genuine events aside as being of the future, and miss revocations."""
    environment = os.environ | key_settings("user-service") | {"REDIS_URL": valkey.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.format(ahead=ahead), env=environment,
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
