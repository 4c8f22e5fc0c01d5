"""How fast a core is just now: a fixed piece of work, done over and over beside what is measured.

A core of a virtual machine has no speed of its own: what others do on the same silicon makes the same work
take 14 ms of processor time or 23, and back again within a second. Figures divided by what this
piece took meanwhile can be held against each other. `python -m bench.pace SECONDS STEPS` does it until it is
killed.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from devstack import program

EVERY_SECONDS = 0.02
STEPS = 4_000
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
    def kept(cls, log: Path, every_seconds: float = EVERY_SECONDS, steps: int = STEPS) -> Iterator[Self]:
        """Does the work during the block, and writes to the log what it took.

        Args:
            log: A file to write.
            every_seconds: How long to pause before the work is done again.
            steps: How much work it is.
        """
        command = [sys.executable, "-m", "bench.pace", str(every_seconds), str(steps)]
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
        return statistics.mean(took for at, took in self.samples() if begin <= at <= end)

    def samples(self) -> list[tuple[float, float]]:
        """Returns when the work was done, by `time.monotonic()`, and the microseconds that it took."""
        lines = (line.split() for line in self._log.read_text().splitlines()[:-1])
        return [(float(at), float(took)) for at, took in lines]


def _work(steps: int) -> float:
    begin, total = time.process_time_ns(), 0
    for step in range(steps):
        total += step * step % 7
    return (time.process_time_ns() - begin) / 1e3


def main() -> None:
    """Prints when the work was done and how many microseconds it took."""
    every_seconds, steps = float(sys.argv[1]), int(sys.argv[2])
    while True:
        took = _work(steps)
        print(f"{time.monotonic():.3f} {took:.1f}", flush=True)
        time.sleep(every_seconds)


if __name__ == "__main__":
    main()
