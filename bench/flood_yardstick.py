"""What reads take on this machine during a flood whatever answers them: the yardstick of `make bench-flood`.

A bare ASGI app answers the same clients, reads and logins alike, at once and alone, while a process beside it
hashes passwords without a pause, in threads as nice as auth-service's. What its reads lose is what the
scheduler takes from any server here: `python -m bench.flood_yardstick 2` is the process that hashes.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from auth_service.adapters.argon2_hasher import Argon2Hasher
from auth_service.adapters.hashing_pool import HashingPool
from devstack.ports import free_port

from bench.contestants import asgi_process
from bench.flood_clients import FLOODING, LEAD_SECONDS, Reads, read, read_while_flooded
from bench.load import ROOT
from bench.slow_cores import SlowCores

_BODY = '{"data":"' + "x" * 500 + '"}'


@contextmanager
def hashing(threads: int) -> Iterator[None]:
    """Keeps threads hashing during the block."""
    command = [sys.executable, "-m", "bench.flood_yardstick", str(threads)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(
    folder: Path, rounds: int, seconds: float, rate: float, *, where: Sequence[int], cores: SlowCores
) -> list[tuple[Reads, Reads]]:
    """Returns what reads took in turns without and with a flood.

    Args:
        folder: For the app's log.
        rounds: How many turns of each.
        seconds: How long each takes.
        rate: Logins per second.
        where: The cores on which the flood's client runs; as many threads hash.
        cores: What is known of all cores.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    turns = []
    with asgi_process(folder, "bench.bare_asgi", port, {"BODY": _BODY}):
        read(url, 1.0, cores)
        for _ in range(rounds):
            idle = read(url, seconds, cores)
            with hashing(len(where)):
                time.sleep(LEAD_SECONDS)
                flooded, _ = read_while_flooded(url, url, seconds, rate, where=where, cores=cores)
            turns.append((idle, flooded))
    return turns


async def _hash(threads: int) -> None:
    async with HashingPool(workers=threads, queue_per_worker=1) as pool:
        hasher = Argon2Hasher(pool)
        known = await hasher.hash(FLOODING[0]["password"])

        async def go_on() -> None:
            while True:
                await hasher.verify(known, FLOODING[0]["password"])

        await asyncio.gather(*(go_on() for _ in range(2 * threads)))


if __name__ == "__main__":
    asyncio.run(_hash(int(sys.argv[1])))
