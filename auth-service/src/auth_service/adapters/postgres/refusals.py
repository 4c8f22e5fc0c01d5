"""Which refusals become entries of the audit chain: those that concern somebody, and not too many."""

import time
from collections import OrderedDict
from uuid import UUID

from prometheus_client import Counter

from auth_service.domain.audit import AuditEntry

PER_MINUTE_MAX = 30
"""Entries per minute about refusals of one kind to one account, in each process."""

REMEMBERED_MAX = 10_000

_MINUTE_SECONDS = 60.0

_NOT_CHAINED = Counter(
    "auth_refusals_not_audited_total",
    "Refusals that are counted here alone: of nobody we know, or too many of one account.",
    ["action", "why"],
)


class RefusalBounds:
    """Keeps strangers from writing the audit.

    An entry takes the lock of the whole chain and stays for years. A refusal that names nobody tells an
    auditor nothing that a counter does not, and anyone can cause thousands; those that concern an account
    are limited, since guessing at it from everywhere is known after the first few.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[UUID, str, str], tuple[float, int]] = OrderedDict()

    def admits(self, entry: AuditEntry) -> bool:
        """Says whether an entry is to be chained; counts it when it is not."""
        if entry.outcome != "refused":
            return True
        concerned = entry.subject_id or entry.actor_id
        if concerned is None:
            _NOT_CHAINED.labels(entry.action, "nobody").inc()
            return False
        kind = (concerned, entry.action, entry.details.get("reason", ""))
        now = time.monotonic()
        began, count = self._seen.get(kind, (now, 0))
        if now - began >= _MINUTE_SECONDS:
            began, count = now, 0
        self._seen[kind] = (began, count + 1)
        self._seen.move_to_end(kind)
        if len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)
        if count >= PER_MINUTE_MAX:
            _NOT_CHAINED.labels(entry.action, "repeated").inc()
            return False
        return True
