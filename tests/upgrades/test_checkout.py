"""The short form: the running system against the same tree, started as another release."""

import sys

import pytest
from devstack.stack import Stack

from tests.system.running_system import System
from tests.upgrades.checkout import Checkout, commit_of

SAME_TREE = Checkout("the same tree", sys.executable)


@pytest.mark.nightly
def test_settings_are_those_of_its_devstack(stack: Stack) -> None:
    """A checkout's devstack gives its processes the settings that ours gives them."""
    for name, process in stack.services.items():
        listening = stack.plan.ports[process.service.name][0]
        found = SAME_TREE.environment(stack.plan, process.service, listening, name)

        assert found == process.environment


@pytest.mark.nightly
def test_process_of_another_release_takes_over(stack: Stack) -> None:
    """Its jobs leave a newer schema alone, and its process answers where the old one did."""
    service = stack.services["user-service"]
    before, ended = service.grpc, service.pid
    SAME_TREE.provision(stack.database, "the embedded Postgres")
    SAME_TREE.migrate(stack.database)

    stack.change_release("user-service", SAME_TREE)
    System(stack)._settle()

    assert service.grpc == before
    assert service.pid != ended


def test_unknown_commit_is_named() -> None:
    """A mistyped tag is named before anything is built."""
    with pytest.raises(AssertionError, match="git knows no commit unknown-tag"):
        commit_of("unknown-tag")
