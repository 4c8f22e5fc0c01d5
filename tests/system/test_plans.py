"""Every statement of every service can be answered by an index, or is named here with the reason.

Statements are taken from the adapters as they stand. Sequential scans are made as dear as can be, so
that one in a plan means that nothing else would do, however many rows there were.
"""

import ast
import importlib
import json
import re
from collections.abc import Iterator

import asyncpg
from devstack.database import Database

from tests.tidy import tree

_STATEMENT = re.compile(r"\s*(WITH|SELECT|UPDATE|DELETE|INSERT)\b", re.IGNORECASE)
_PARAMETER = re.compile(r"\$(\d+)")
_CALLS = ("execute", "fetch", "fetchrow", "fetchval")

SCANNED: dict[str, str] = {
    "auth_service/adapters/postgres/idempotency.py: attempts": "ending all sessions: the responses of a day",
    "auth_service/adapters/postgres/signing_keys.py: signing_keys": "all of a handful of keys are wanted",
    "auth_service/adapters/postgres/signing_keys.py: retired_signing_keys": "the same",
    "auth_service/adapters/postgres/mails.py: mails": "counts what is queued; what was sent is deleted",
    "knowledge_service/adapters/postgres/index_removals.py: index_removals": "deleted documents of a moment",
    "knowledge_service/adapters/postgres/master_keys.py: hash_keys": "one row",
    "knowledge_service/adapters/postgres/measuring.py: sources": "all are counted; a user has ten at most",
    "user_service/adapters/postgres/webhooks.py: webhooks": "20 rows at most",
    "user_service/adapters/postgres/user_lists.py: tallies": "64 rows at most, however many users",
}
"""Tables that a statement may scan, as `file: table`, each with the reason."""

CHOSEN = {
    "expired.statement": "[each.statement for each in EXPIRED]",
    "PAGES[sort]": "list(PAGES.values())",
    "_nearest(self._dimensions, exact=False)": "_nearest(384, exact=False)",
    "_nearest(self._dimensions, exact=True)": "_nearest(384, exact=True)",
    "_best_by_terms(operator)": "[_best_by_terms(each) for each in (ANY_OF, ALL_OF)]",
    "old": "[DELIVERED, DEAD, TO_ENDPOINTS_OFF]",
    "_waiting_rows(table)": "[_waiting_rows(each) for each in _TABLES]",
    "_change(table, changed)": "[_change(each, each.places) for each in _TABLES]",
}
"""Statements that are chosen at run time, by their name, with an expression for all of them."""


def _statements() -> Iterator[tuple[str, str]]:
    for source in tree.product():
        if "/adapters/postgres/" in source.path:
            for text in _texts(source):
                if _STATEMENT.match(text):
                    yield source.path.rpartition("/src/")[2], text


def _texts(source: tree.Source) -> Iterator[str]:
    """Yields the statements that a file executes, put together from its constants."""
    names = vars(importlib.import_module(source.module))
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=call), args=[text, *_]) if call in _CALLS:
                expression = ast.unparse(text)
                found = eval(CHOSEN.get(expression, expression), names)
                yield from [found] if isinstance(found, str) else found


def _scanned(plan: dict[str, object]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield str(plan["Relation Name"])
    inner = plan.get("Plans", [])
    assert isinstance(inner, list)
    for part in inner:
        yield from _scanned(part)


async def test_no_statement_needs_a_sequential_scan(database: Database) -> None:
    """A new statement without an index fails here, before it fails at a million rows."""
    connection = await asyncpg.connect(database.admin_url)
    await connection.execute("SET enable_seqscan = off")
    # Types of an extension are in the schema of the service that uses it.
    await connection.execute("SET search_path = knowledge")
    found, wrong, explained = set(), [], 0
    for name, statement in _statements():
        try:
            nothing = [None] * max((int(number) for number in _PARAMETER.findall(statement)), default=0)
            plan = await connection.fetchval(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}", *nothing)
        except asyncpg.PostgresError as error:
            wrong.append(f"{name}: {error}: {statement}")
            continue
        explained += 1
        found |= {f"{name}: {table}" for table in _scanned(json.loads(plan)[0]["Plan"])}
    await connection.close()

    assert (wrong, found) == ([], set(SCANNED))
    assert explained > 180
