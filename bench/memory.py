"""The memory of services under a constant load."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from devstack.stack import Stack

from bench.load import stream
from bench.processes import resident_mib

READS_PER_SECOND = 100.0
_WINDOWS = 10


class SystemUnderLoad(Protocol):
    """A system in which users make calls of every kind."""

    stack: Stack

    @property
    def turn(self) -> Callable[[int], None]:
        """Lets that number of users sign in and make calls."""
        ...

    def sign_in_admin(self) -> str:
        """Returns a fresh access token."""
        ...


def soak(populated: SystemUnderLoad, minutes: float) -> dict[str, list[float]]:
    """Lets users make calls, and one user read at a fixed rate.

    Returns:
        The most that each service held in each tenth of the time, in MiB.
    """
    seconds = minutes * 60
    token = populated.sign_in_admin()
    url = f"{populated.stack.base_url}/api/users/me"
    headers = [f"Authorization: Bearer {token}"]
    reading = threading.Thread(target=stream, args=(url, headers, seconds, READS_PER_SECOND))
    most = {name: [0.0] * _WINDOWS for name in populated.stack.services}
    began = time.monotonic()
    reading.start()
    while (passed := time.monotonic() - began) < seconds:
        populated.turn(1)
        window = int(passed / seconds * _WINDOWS)
        for name, service in populated.stack.services.items():
            assert service.pid is not None
            most[name][window] = max(most[name][window], resident_mib(service.pid))
    reading.join()
    return most
