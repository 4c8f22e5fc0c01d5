"""One system with two of each service, and faults on every connection when asked for."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from devstack.stack import Stack

from tests.conftest import STACK_ENVIRONMENT, ClusterCopy
from tests.faults import report
from tests.faults.clocks import Clocks
from tests.faults.disk import Disk
from tests.faults.faults import LONG, SERVICES
from tests.faults.faulty_system import FaultySystem
from tests.faults.wires import Wires

TWO_OF_EACH = {"gateway": 2, "auth-service": 2, "user-service": 2}
POSTGRES = {"max_wal_size": "256MB"}
"""Limits the write-ahead log to the size of Postgres' disk."""


@pytest.fixture(scope="session", name="faulty")
def _faulty(tmp_path_factory: pytest.TempPathFactory, copy_cluster: ClusterCopy) -> Iterator[FaultySystem]:
    """Postgres flushes here, since it must survive being killed."""
    folder = tmp_path_factory.mktemp("faults")
    clocks, disk = Clocks(folder, SERVICES), Disk(folder / "postgres")
    with Wires() as wires, disk.mounted() if LONG else nullcontext():
        copy_cluster(folder / "postgres")
        stack = Stack(
            folder,
            STACK_ENVIRONMENT,
            instances=TWO_OF_EACH,
            overrides=clocks.settings if LONG else {},
            postgres_settings=POSTGRES,
            route=wires.route,
        )
        with stack:
            faulty = FaultySystem(stack, wires, clocks, disk)
            yield faulty
    if page := os.environ.get("FAULTS_REPORT"):
        report.write(Path(page), faulty.outcomes, faulty.figures)
