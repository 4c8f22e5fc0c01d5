"""One house with two of each service, and trouble on every wire when asked for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.stack import Stack

from tests.conftest import STACK_ENVIRONMENT
from tests.faults import report
from tests.faults.scene import Scene
from tests.faults.wires import Wires

TWO_OF_EACH = {"gateway": 2, "auth-service": 2, "user-service": 2}


@pytest.fixture(scope="session", name="scene")
def _scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Postgres flushes here, as it must where kills are survived."""
    with Wires() as wires:
        folder = tmp_path_factory.mktemp("faults")
        with Stack(folder, STACK_ENVIRONMENT, instances=TWO_OF_EACH, route=wires.route) as stack:
            scene = Scene(stack, wires)
            yield scene
    if page := os.environ.get("FAULTS_REPORT"):
        report.write(Path(page), scene.outcomes, scene.figures)
