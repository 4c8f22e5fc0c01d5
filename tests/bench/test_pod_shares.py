"""Processes get the share of the cores that their pods have."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.pod_shares import DIVISIONS, requested_cores, shared_as_pods

BUSY = "while True: pass"


@pytest.fixture
def busy() -> Iterator[int]:
    """The id of a process that is always busy."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    yield process.pid
    process.kill()
    process.wait()


def group(pid: int) -> str:
    """Returns the cgroups of a process."""
    return Path(f"/proc/{pid}/cgroup").read_text()


def test_the_requests_are_those_of_the_chart_and_of_the_backends() -> None:
    """What a service does not say comes from the defaults."""
    requested = requested_cores()

    assert requested.keys() >= {"gateway", "auth-service", "user-service", "postgres", "redis"}
    assert all(0 < cores < 4 for cores in requested.values())
    assert requested["gateway"] >= requested["auth-service"], "every request waits for the gateway"


def test_a_process_has_its_pods_share_during_the_block_only(busy: int) -> None:
    """Nothing is left of the group when the block ends while the process runs."""
    before = group(busy)
    with shared_as_pods({"gateway": busy}) as is_shared:
        if not is_shared:
            pytest.skip("no cgroup may be made here")
        assert "vestibule-bench" in group(busy)
        (path,) = Path("/sys/fs/cgroup").rglob(f"vestibule-bench-{os.getpid()}-gateway")
        weight = path / "cpu.shares" if (path / "cpu.shares").exists() else path / "cpu.weight"
        assert int(weight.read_text()) in {512, 20}, "half a core, in either form"
    assert group(busy) == before
    assert not path.exists()


def test_processes_may_be_left_alike(busy: int) -> None:
    """Among threads nothing changes."""
    with DIVISIONS["threads"]({"gateway": busy}):
        assert "vestibule-bench" not in group(busy)
