"""An upgrade from another release and the way back, under load: no request fails.

`make test-upgrade` takes the last release; `make test-upgrade FROM=<commit>` any other.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.release import Release
from devstack.stack import Stack
from devstack.terminal import Terminal
from devstack.topology import SERVICES

from tests.conftest import STACK_ENVIRONMENT
from tests.fakes.service_keys import SHARED_KEY
from tests.faults.system_under_load import SystemUnderLoad
from tests.upgrades.checkout import Checkout, commit_of
from tests.upgrades.upgrade import Upgrade

FROM = os.environ.get("UPGRADE_FROM", "")
TWO_OF_EACH = {service.name: 2 for service in SERVICES}

pytestmark = [
    pytest.mark.skipif(not FROM, reason="takes minutes: run by `make test-upgrade`"),
    pytest.mark.timeout(1200),
]


@pytest.fixture(name="terminal")
def _terminal() -> Terminal:
    return Terminal.of_stdout()


@pytest.fixture(name="earlier")
def _earlier(tmp_path: Path, terminal: Terminal) -> Checkout:
    """The release to upgrade from, installed."""
    commit = commit_of(FROM)
    terminal.say(f"\ninstalling {commit}")
    began = time.monotonic()
    checkout = Checkout.of(commit, tmp_path / "earlier")
    terminal.step("installed", time.monotonic() - began)
    return checkout


@pytest.fixture(name="running")
def _running(tmp_path: Path, earlier: Checkout, terminal: Terminal) -> Iterator[SystemUnderLoad]:
    """A system of that release, two of each service."""
    with Stack(
        tmp_path / "system",
        # The last release has no optional service.
        STACK_ENVIRONMENT | {"SERVICE_KEY": SHARED_KEY, "KNOWLEDGE": "0"},
        instances=TWO_OF_EACH,
        release=earlier,
        report=terminal.step,
    ) as stack:
        yield SystemUnderLoad(stack)


def test_upgrade_and_rollback(running: SystemUnderLoad, earlier: Checkout, terminal: Terminal) -> None:
    """Upgrade, rollback on the new schema, and upgrade again: no call fails, every invariant holds."""
    this = Release()
    upgrade = Upgrade(running, terminal)

    with upgrade.under_load("upgrade"):
        upgrade.step("schema to this release", lambda: _migrate(running, this))
        upgrade.roll(this)
    with upgrade.under_load("rollback"):
        # GitOps tools roll back by installing the older chart, whose jobs meet the newer schema.
        upgrade.step(f"jobs of {earlier.name}", lambda: _migrate(running, earlier))
        upgrade.roll(earlier)
    with upgrade.under_load("upgrade again"):
        upgrade.step("jobs of this release", lambda: _migrate(running, this))
        upgrade.roll(this)

    terminal.say(f"\n{upgrade.table()}")
    assert not [broken for outcome in upgrade.outcomes for broken in outcome.broken]
    assert not [call for step in upgrade.steps for call in step.failed]


def _migrate(running: SystemUnderLoad, release: Release) -> None:
    """Does what the chart's jobs do before any pod is changed."""
    database = running.stack.database
    release.provision(database, "the embedded Postgres")
    release.migrate(database)
