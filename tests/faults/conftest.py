"""One house with two of each service, and trouble on every wire when asked for."""

from collections.abc import Iterator

import pytest
from devstack.stack import Stack

from tests.conftest import STACK_ENVIRONMENT
from tests.faults.scene import Scene
from tests.faults.wires import Wires

TWO_OF_EACH = {"gateway": 2, "auth-service": 2, "user-service": 2}


@pytest.fixture(scope="session", name="scene")
def _scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Postgres flushes here, as it must where kills are survived."""
    with Wires() as wires:
        folder = tmp_path_factory.mktemp("faults")
        with Stack(folder, STACK_ENVIRONMENT, instances=TWO_OF_EACH, route=wires.route) as stack:
            yield Scene(stack, wires)
