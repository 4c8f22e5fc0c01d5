"""The benchmark of growth runs, with figures that mean something, on a small system."""

from pathlib import Path
from typing import Any

import pytest
from devstack.stack import Stack

from bench import audit, plans, population
from bench.growth import LOOK_UPS, PopulatedSystem, table
from bench.processes import resident_mib

PLAN: dict[str, Any] = {
    "Query Text": "SELECT 1\n  FROM users",
    "Plan": {
        "Node Type": "Limit",
        "Plans": [
            {
                "Node Type": "Index Scan",
                "Relation Name": "users",
                "Index Name": "users_pkey",
                "Actual Rows": 2.0,
                "Actual Loops": 3,
                "Rows Removed by Filter": 40,
            }
        ],
    },
}


@pytest.mark.nightly
def test_every_step_is_taken_among_populated_users(stack: Stack) -> None:
    """Populated users sign in, refresh and are found; their audit entries are part of the chain."""
    population.populate(stack.database, 30)
    population.add_audit_entries(stack.database, 30)
    populated = PopulatedSystem(stack, 30)
    populated.turn(2)

    assert {step: len(took) for step, took in populated.seconds.items()} == dict.fromkeys(LOOK_UPS, 2)
    assert all(second > 0 for took in populated.seconds.values() for second in took)
    assert audit.verified(stack).entries > 30
    assert LOOK_UPS[0] in table([populated, populated])
    assert all(resident_mib(service.pid or 0) > 10 for service in stack.services.values())


def test_plans_are_read_out_of_postgres_log(tmp_path: Path) -> None:
    """Rows that a filter removed were read too; earlier output does not count."""
    log = tmp_path / "log"
    old = "LOG:  duration: 1 ms  plan:\n\tgarbage\n"
    log.write_text(
        old
        + 'LOG:  duration: 1 ms  plan:\n\t{"Query Text": "SELECT 1",\n\t"Plan": {"Node Type": "Result"}}\n'
    )
    assert list(plans.written(log, len(old))) == []

    assert list(plans.touches(PLAN)) == [
        plans.Touch("users", "Index Scan users_pkey", 126.0, "SELECT 1 FROM users")
    ]
    with pytest.raises(RuntimeError, match="auto_explain"):
        list(plans.written(log, log.stat().st_size))
