"""How much slower than usual the processor is just now.

A core of a virtual machine may run at a twelfth of its speed for tens of milliseconds, and what it does then
counts as processor time like any other (`docs/performance.md`, "Slow cores").
"""

import time

_STEPS = 200
"""10 µs of work: little beside the 2 ms after which it is done again."""

_FIRST = 50
_SLOW = 5.0
"""Work with cold caches takes up to three times as long, work on a slow core eleven."""


class CoreSpeed:
    """Does a small piece of work, and compares its time with the shortest seen."""

    def __init__(self) -> None:
        self._usual = min(_work() for _ in range(_FIRST))

    def __call__(self) -> float:
        """Returns how many times slower than usual the core is; 1 unless it is much slower."""
        took = _work()
        self._usual = min(self._usual, took)
        slower = took / self._usual
        return slower if slower > _SLOW else 1.0


def _work() -> int:
    began, total = time.process_time_ns(), 0
    for step in range(_STEPS):
        total += step
    return max(1, time.process_time_ns() - began)
