"""The use cases on fakes, for each test."""

import pytest

from tests.auth_service.world import World, build_world


@pytest.fixture(name="world")
def _world() -> World:
    return build_world()
