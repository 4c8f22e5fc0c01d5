"""Waiting for what becomes true soon. The limit ends a test that would hang; it never decides one."""

import time
from collections.abc import Callable
from typing import TypeVar

WITHIN_SECONDS = 60.0
_PAUSE_SECONDS = 0.05

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found | None], within_seconds: float = WITHIN_SECONDS) -> Found:
    """Looks again and again, and returns the first result that is true.

    Raises:
        AssertionError: no result is true in time; the message has the last one.
    """
    deadline = time.monotonic() + within_seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"still {found!r} after {within_seconds:.0f} s"
        time.sleep(_PAUSE_SECONDS)
    return found
