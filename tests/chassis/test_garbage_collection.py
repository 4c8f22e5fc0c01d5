"""Permanent objects are exempt from garbage collection, which blocks all requests."""

import re
import subprocess
import sys

PROGRAM = """
import asyncio, gc, os, signal
from chassis import lifecycle

async def main(life):
    life.begin("look", look(life))

async def look(life):
    while not life.readiness.ready:
        await asyncio.sleep(0.01)
    print(f"{gc.get_freeze_count()} set aside, {len(gc.get_objects())} walked")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()

lifecycle.run("stock-service", main, grace_seconds=1.0)
"""


def test_only_what_is_made_after_the_start_is_walked() -> None:
    """Everything that was imported and opened is set aside."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    counts = re.search(r"(\d+) set aside, (\d+) walked", done.stdout)

    assert counts is not None, done.stdout
    assert int(counts[2]) < 5_000 < int(counts[1])
