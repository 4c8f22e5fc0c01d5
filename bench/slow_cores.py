"""When cores were slow, whatever ran on them: latencies of such moments are the machine's.

A core of a virtual machine may run at a twelfth of its speed for 10 to 90 ms, several per cent of the time.
No counter shows it: the core is not taken away, but even a loop in registers takes twelve times as long. A
server that is busy for a quarter of the time then gets more work than it can do, and an idle one does not.
"""

import bisect
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from bench.pace import Pace
from bench.processes import pin

_EVERY_SECONDS = 0.003
_STEPS = 300
"""30 µs of work: a hundredth of a core."""

_SLOW = 5.0
"""Times the median: work with cold caches takes up to three times as long, a slow core eleven."""

_AFTERMATH_SECONDS = 0.03
"""How long a server has still to do what came while a core was slow."""


class SlowCores:
    """The slow moments of the cores that are watched."""

    def __init__(self, paces: Sequence[Pace]) -> None:
        self._paces = paces

    @classmethod
    @contextmanager
    def watched(cls, folder: Path, cores: Sequence[int]) -> Iterator[Self]:
        """Watches cores during the block.

        Args:
            folder: For what is written down.
            cores: Their numbers.
        """
        with ExitStack() as running:
            paces = []
            for core in cores:
                log = folder / f"slow-{core}.log"
                pace = running.enter_context(Pace.kept(log, every_seconds=_EVERY_SECONDS, steps=_STEPS))
                pin(pace.pid, [core])
                paces.append(pace)
            yield cls(paces)

    def between(self, begin: float, end: float) -> tuple[list[float], float]:
        """Returns the slow moments between two moments, and how often a core was slow, of 1.

        Args:
            begin: By `time.monotonic()`.
            end: The same.

        Raises:
            StatisticsError: a core was not looked at.
        """
        moments, looks = [], 0
        for pace in self._paces:
            samples = pace.samples()
            usual = statistics.median(took for _, took in samples)
            meanwhile = [(at, took) for at, took in samples if begin <= at <= end]
            looks += len(meanwhile)
            moments += [at for at, took in meanwhile if took > _SLOW * usual]
        return sorted(moments), len(moments) / max(1, looks)


def steady(requests: Sequence[tuple[float, float]], slow: Sequence[float]) -> list[float]:
    """Returns the latencies of the requests that no slow moment concerns.

    Args:
        requests: When each was due, and how many seconds it took.
        slow: The slow moments, in order.
    """
    return [
        seconds
        for due, seconds in requests
        if bisect.bisect_left(slow, due - _AFTERMATH_SECONDS) == bisect.bisect_right(slow, due + seconds)
    ]
