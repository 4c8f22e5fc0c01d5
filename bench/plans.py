"""What the services' own statements touched, as Postgres' auto_explain wrote it down."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.database import Database

from bench import population

PRELOADED = {"session_preload_libraries": "auto_explain"}
"""Settings of a Postgres whose plans are to be read."""

_ON = {
    "log_min_duration": "0",
    "log_analyze": "on",
    "log_timing": "off",
    "log_format": "json",
    "log_parameter_max_length": "0",
    "log_nested_statements": "on",
}
_BEGINS = "plan:\n"


@dataclass(frozen=True, slots=True)
class Touch:
    """A node of a plan that read a table.

    Attributes:
        table: Which one.
        how: The node's type, and its index where it has one.
        rows: Rows read, those that were thrown away included.
        statement: The statement, on one line.
    """

    table: str
    how: str
    rows: float
    statement: str


def watch(database: Database) -> None:
    """From now on each plan of each session goes to the log."""
    for name, value in _ON.items():
        population.fetch(database, f"ALTER SYSTEM SET auto_explain.{name} = '{value}'")
    population.fetch(database, "SELECT pg_reload_conf()")


def look_away(database: Database) -> None:
    """Ends what `watch` began."""
    population.fetch(database, "ALTER SYSTEM RESET ALL")
    population.fetch(database, "SELECT pg_reload_conf()")


def written(log: Path, behind: int) -> Iterator[Touch]:
    """Yields what the plans in a log read, from a position on.

    Raises:
        RuntimeError: there is no plan.
    """
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(behind)
        text = lines.read()
    if _BEGINS not in text:
        raise RuntimeError("Postgres has written no plans: is auto_explain preloaded?")
    for part in text.split(_BEGINS)[1:]:
        # A message's further lines are indented by a tab.
        body = "\n".join(_indented(part))
        yield from touches(json.loads(body))


def _indented(part: str) -> Iterator[str]:
    """Yields the lines at the beginning that are indented."""
    for line in part.split("\n"):
        if not line.startswith("\t"):
            return
        yield line[1:]


def touches(plan: dict[str, Any]) -> Iterator[Touch]:
    """Yields what one plan, executed, has read."""
    statement = " ".join(str(plan.get("Query Text", "")).split())
    yield from _walk(plan["Plan"], statement)


def _walk(node: dict[str, Any], statement: str) -> Iterator[Touch]:
    loops = node.get("Actual Loops", 1)
    removed = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    if "Relation Name" in node and node["Node Type"] != "ModifyTable":
        how = " ".join(filter(None, (node["Node Type"], node.get("Index Name"))))
        rows = (node.get("Actual Rows", 0) + removed) * loops
        yield Touch(node["Relation Name"], how, rows, statement)
    for part in node.get("Plans", []):
        yield from _walk(part, statement)
