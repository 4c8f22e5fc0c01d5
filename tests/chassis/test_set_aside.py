"""What stays for a process' life is no work of its garbage collector, while which nobody is answered."""

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
    print(gc.get_freeze_count(), len(gc.get_objects()))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()

lifecycle.run("stock-service", main, grace_seconds=1.0)
"""


def test_only_what_is_made_after_the_start_is_walked() -> None:
    """Everything that was imported and opened is set aside."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    frozen, walked = map(int, next(line for line in done.stdout.splitlines() if line[:1].isdigit()).split())

    assert walked < 5_000 < frozen
