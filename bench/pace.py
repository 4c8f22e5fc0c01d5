"""How fast a core is just now: a fixed piece of work, done over and over beside what is measured.

A core of a virtual machine has no speed of its own: what others do on the same silicon makes the same work
take 14 ms of processor time or 23, and back again within a second. Figures divided by what this
piece took meanwhile can be held against each other. `python -m bench.pace` does it until it is killed.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from devstack import program

_EVERY_SECONDS = 0.02
_STEPS = 4_000
_ROOT = Path(__file__).parents[1]


class Pace:
    """What the piece of work took, and when.

    Attributes:
        pid: The process that does it.
    """

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self._log = log

    @classmethod
    @contextmanager
    def kept(cls, log: Path) -> Iterator[Self]:
        """Does the work during the block, and writes to the log what it took."""
        command = [sys.executable, "-m", "bench.pace"]
        process = program.spawn(command, log=log, signal="KILL", environment={"PYTHONPATH": str(_ROOT)})
        try:
            program.wait_until(lambda: b"\n" in log.read_bytes(), process, "pace", log)
            yield cls(process.pid, log)
        finally:
            process.kill()
            process.wait()

    def microseconds(self, begin: float, end: float) -> float:
        """Returns the processor time that the work took between two moments of `time.monotonic()`: the mean.

        Raises:
            StatisticsError: it was not done meanwhile.
        """
        lines = (line.split() for line in self._log.read_text().splitlines()[:-1])
        return statistics.mean(float(took) for at, took in lines if begin <= float(at) <= end)


def _work() -> float:
    begin, total = time.process_time_ns(), 0
    for step in range(_STEPS):
        total += step * step % 7
    return (time.process_time_ns() - begin) / 1e3


def main() -> None:
    """Prints when the work was done and how many microseconds it took."""
    while True:
        took = _work()
        print(f"{time.monotonic():.3f} {took:.1f}", flush=True)
        time.sleep(_EVERY_SECONDS)


if __name__ == "__main__":
    main()
