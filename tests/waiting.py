"""Waiting for what becomes true soon. The limit ends a test that would hang; it never decides one."""

import time
from collections.abc import Callable
from typing import TypeVar

WITHIN_SECONDS = 60.0

SLOW_MACHINE_SECONDS = 10.0
"""The limit for what takes a moment, where it would take far longer, or never end, if it went wrong."""

_PAUSE_SECONDS = 0.05
_PAUSE_SECONDS_MAX = 0.2

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], within_seconds: float = WITHIN_SECONDS) -> Found:
    """Looks again and again, and returns the first result that is true.

    Raises:
        AssertionError: no result is true in time; the message has the last one.
    """
    began = time.monotonic()
    while not (found := look()):
        waited = time.monotonic() - began
        assert waited < within_seconds, f"still {found!r} after {within_seconds:.0f} s"
        # Each look is work for the system that is waited for.
        time.sleep(min(_PAUSE_SECONDS + waited / 20, _PAUSE_SECONDS_MAX))
    return found
