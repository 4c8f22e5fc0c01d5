"""A span for each SQL statement of a recorded trace: its text without values, and what it is about."""

import re
from contextlib import AbstractContextManager
from functools import lru_cache

from chassis.tracing import traces
from chassis.tracing.span import Attributes

TEXT_LENGTH_MAX = 1_000

_VERB = re.compile(r"\b(INSERT|UPDATE|DELETE|SELECT)\b", re.IGNORECASE)
_CHANGE = re.compile(r"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:INTO|UPDATE|FROM|JOIN)\s+([a-z_]+\.[a-z_]+)", re.IGNORECASE)


def statement(query: str) -> AbstractContextManager[object]:
    """Records the block as the running of a statement.

    Args:
        query: Its text, in which values are `$1` and so on: nothing is ever written into it.
    """
    if not traces.wants_spans():
        return traces.NOT_RECORDED
    name, attributes = _span_of(query)
    return traces.span(name, "CLIENT", attributes)


@lru_cache(maxsize=1024)
def _span_of(query: str) -> tuple[str, Attributes]:
    name, text = described(query)
    operation = name.partition(" ")[0]
    return name, {"db.system.name": "postgresql", "db.operation.name": operation, "db.query.text": text}


def described(query: str) -> tuple[str, str]:
    """Returns a statement's name, such as `INSERT auth.outbox`, and its text on one line."""
    text = " ".join(query.split())
    verb = (_CHANGE if text[:4].upper() == "WITH" else _VERB).search(text) or _VERB.search(text)
    operation = verb.group(1).upper() if verb else text.partition(" ")[0].upper()
    table = _TABLE.search(text, verb.start() if verb else 0)
    return f"{operation} {table.group(1)}" if table else operation, text[:TEXT_LENGTH_MAX]
