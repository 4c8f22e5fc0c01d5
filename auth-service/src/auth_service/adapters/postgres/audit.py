"""The audit chain in Postgres, which hashes each entry on insertion, and the chain's signed heads."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from chassis.component import Component
from chassis.errors import Forbidden
from chassis.identity.audit_client import neutral_request_id
from chassis.postgres.connection import Connection
from prometheus_client import Counter

from auth_service.domain.audit import AuditEntry, AuditFilter, ChainedEntry, canonical_form, chained_details
from auth_service.domain.audit_client import parted
from auth_service.domain.audit_head import SignedHead

PER_MINUTE_MAX = 30
"""Audit entries per minute about refusals of one kind to one account, in each process."""

REMEMBERED_MAX = 10_000

_MINUTE_SECONDS = 60.0

_NOT_AUDITED = Counter(
    "auth_refusals_not_audited_total",
    "Refusals counted but not audited: of no known user, or too many for one account.",
    ["action", "why"],
)

SELECT = """
SELECT sequence, id, occurred_at, actor_id, subject_id, action, outcome, ip, user_agent, request_id, details,
       hash, salt
  FROM auth.audit_trail"""
"""What `chained_of` reads, to be followed by a condition."""

_FILTER = """
 WHERE ($1::uuid IS NULL OR actor_id = $1) AND ($2::uuid IS NULL OR subject_id = $2)
   AND ($3::text IS NULL OR action = $3)
   AND ($4::timestamptz IS NULL OR occurred_at >= $4)
   AND ($5::timestamptz IS NULL OR occurred_at < $5)"""
_SELECT_HEAD = "SELECT sequence, hash, at, kid, signature FROM auth.audit_heads"


class RefusalBounds:
    """Decides which refusals are audited: those that concern a known user, up to a limit.

    An entry takes the lock of the whole chain and is kept for years. A refusal that concerns no user
    gives an auditor no more than a counter does, and any client can cause thousands of them. Those of one
    account are limited, since an attack on it is visible after the first few.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[UUID, str, str], tuple[float, int]] = OrderedDict()

    def admits(self, entry: AuditEntry) -> bool:
        """Returns whether to audit an entry; counts it when not."""
        if entry.outcome != "refused":
            return True
        concerned = entry.subject_id or entry.actor_id
        if concerned is None:
            _NOT_AUDITED.labels(entry.action, "no_user").inc()
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
            _NOT_AUDITED.labels(entry.action, "repeated").inc()
            return False
        return True


class PostgresAuditTrail(Component):
    """`AuditTrail` on one connection."""

    connection: Connection
    refusals: RefusalBounds

    async def append(self, entry: AuditEntry) -> None:
        """Appends an entry to the chain, unless its id is there already.

        A refusal that concerns no known user, or is one of too many, is counted instead.
        """
        if not self.refusals.admits(entry):
            return
        await self.connection.execute(
            "SELECT auth.append_audit_entry($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            *arguments(entry),
        )

    async def page(
        self, wanted: AuditFilter, *, limit: int, offset: int = 0, below: int | None = None
    ) -> Sequence[ChainedEntry]:
        """Returns entries, newest first; with `below`, those with a smaller sequence number."""
        await self._plan_with_values()
        rows = await self.connection.fetch(
            SELECT
            + _FILTER
            + " AND ($6::bigint IS NULL OR sequence < $6) ORDER BY sequence DESC LIMIT $7 OFFSET $8",
            *_conditions(wanted),
            below,
            limit,
            offset,
        )
        return [chained_of(row) for row in rows]

    async def count(self, wanted: AuditFilter) -> int:
        """Returns how many entries match the filter."""
        if wanted == AuditFilter():
            return await self._length()
        if wanted == AuditFilter(action=wanted.action):
            return await self._count_of(wanted.action)
        await self._plan_with_values()
        counted: int = await self.connection.fetchval(
            f"SELECT count(*) FROM auth.audit_events {_FILTER}",  # noqa: S608 of constants
            *_conditions(wanted),
        )
        return counted

    async def _length(self) -> int:
        # A chain has no gaps; an entry that was removed is found by `verify`.
        length: int = await self.connection.fetchval(
            "SELECT coalesce(max(sequence) - min(sequence) + 1, 0) FROM auth.audit_events"
        )
        return length

    async def _count_of(self, action: str | None) -> int:
        counted: int | None = await self.connection.fetchval(
            "SELECT entries FROM auth.audit_counts WHERE action = $1", action
        )
        return counted or 0

    async def _plan_with_values(self) -> None:
        """Plans for these filters: a plan for all would scan the whole chain for the entries of one user."""
        await self.connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    async def after(self, sequence: int, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries after a sequence number, oldest first."""
        rows = await self.connection.fetch(
            SELECT + " WHERE sequence > $1 ORDER BY sequence LIMIT $2", sequence, limit
        )
        return [chained_of(row) for row in rows]

    async def prune(self, through: int) -> int:
        """Deletes the entries up to that of a signed head, and the heads before; returns how many entries."""
        try:
            removed: int = await self.connection.fetchval(
                """
                WITH heads AS (DELETE FROM auth.audit_heads WHERE sequence < $1),
                     entries AS (DELETE FROM auth.audit_events WHERE sequence <= $1 RETURNING sequence)
                SELECT count(*) FROM entries
                """,
                through,
            )
        except asyncpg.InsufficientPrivilegeError as error:
            raise Forbidden from error
        return removed


class PostgresAuditHeads(Component):
    """`AuditHeadRepository` on one connection."""

    connection: Connection

    async def add(self, head: SignedHead) -> bool:
        """Stores a head; returns whether it is the first one of its sequence number."""
        added = await self.connection.fetchval(
            """
            INSERT INTO auth.audit_heads (sequence, hash, at, kid, signature) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (sequence) DO NOTHING RETURNING sequence
            """,
            head.sequence,
            head.hash,
            head.at,
            head.kid,
            head.signature,
        )
        return added is not None

    async def newest(self, *, signed_before: datetime | None = None) -> SignedHead | None:
        """Returns the head with the highest sequence number, of those signed before a time."""
        row = await self.connection.fetchrow(
            _SELECT_HEAD + " WHERE $1::timestamptz IS NULL OR at < $1 ORDER BY sequence DESC LIMIT 1",
            signed_before,
        )
        return None if row is None else SignedHead(**row)

    async def after(self, sequence: int, limit: int) -> Sequence[SignedHead]:
        """Returns heads after a sequence number, lowest first."""
        rows = await self.connection.fetch(
            _SELECT_HEAD + " WHERE sequence > $1 ORDER BY sequence LIMIT $2", sequence, limit
        )
        return [SignedHead(**row) for row in rows]


def arguments(entry: AuditEntry) -> tuple[object, ...]:
    """Returns the arguments of `auth.append_audit_entry`, in its order."""
    entry = entry.committed()
    return (
        entry.id,
        entry.occurred_at,
        entry.actor_id,
        entry.subject_id,
        entry.action,
        entry.outcome,
        entry.ip,
        entry.user_agent,
        entry.request_id,
        chained_details(entry),
        canonical_form(entry),
        neutral_request_id(entry.request_id) if entry.commitment else entry.request_id,
        entry.salt or None,
    )


def _conditions(wanted: AuditFilter) -> tuple[object, ...]:
    return wanted.actor_id, wanted.subject_id, wanted.action, wanted.since, wanted.until


def chained_of(row: Any) -> ChainedEntry:
    """Returns the entry in a row of `SELECT`."""
    details, promise = parted(row["details"])
    entry = AuditEntry(
        id=row["id"],
        occurred_at=row["occurred_at"],
        actor_id=row["actor_id"],
        subject_id=row["subject_id"],
        action=row["action"],
        outcome=row["outcome"],
        ip=row["ip"],
        user_agent=row["user_agent"],
        request_id=row["request_id"],
        details=details,
        commitment=promise,
        salt=row["salt"] or b"",
    )
    return ChainedEntry(sequence=row["sequence"], hash=row["hash"], entry=entry)
