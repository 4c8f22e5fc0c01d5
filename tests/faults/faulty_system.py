"""A system with two of each service, in which a fault happens while it is used."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from devstack.stack import Stack

from tests.faults.clocks import Clocks
from tests.faults.disk import Disk
from tests.faults.history import History, now
from tests.faults.outcome import Outcome
from tests.faults.system_under_load import SystemUnderLoad
from tests.faults.wires import Wires

USERS = 6
BEFORE_SECONDS = 1.0
AFTER_SECONDS = 3.0


class FaultySystem(SystemUnderLoad):
    """A running system with faulty connections, clocks and a disk.

    Attributes:
        wires: Between any two of its parts.
        clocks: Of the services' processes.
        disk: Where Postgres writes.
    """

    def __init__(self, stack: Stack, wires: Wires, clocks: Clocks, disk: Disk) -> None:
        super().__init__(stack)
        self.wires = wires
        self.clocks = clocks
        self.disk = disk

    def run_fault(
        self, name: str, fault: Callable[["FaultySystem"], AbstractContextManager[None]], seconds: float
    ) -> Outcome:
        """Lets users use the system during a fault, and checks the invariants.

        Args:
            name: What to call the fault.
            fault: Makes it, and mends it in the end.
            seconds: How long it lasts.
        """
        history = History()
        with self.concurrent_users(history, USERS):
            time.sleep(BEFORE_SECONDS)
            with fault(self):
                time.sleep(seconds)
            mended = now()
            time.sleep(AFTER_SECONDS)
        return self.checked(name, history, mended)
