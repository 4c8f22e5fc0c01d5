"""The audit chain in Postgres: the hash is computed where the entry is inserted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from chassis.errors import Forbidden
from chassis.postgres.connection import Connection

from auth_service.adapters.postgres.refusals import RefusalBounds
from auth_service.domain.audit import AuditEntry, AuditFilter, ChainedEntry, canonical_form, chained_details
from auth_service.domain.audit_client import chained_request_id, parted


@dataclass(frozen=True, slots=True)
class PostgresAuditTrail:
    """`AuditTrail` on one connection."""

    connection: Connection
    refusals: RefusalBounds

    async def append(self, entry: AuditEntry) -> None:
        """Adds an entry at the head of the chain; does nothing when its id is there already.

        A refusal that names nobody, or is one of too many, is counted instead.
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
        """Returns entries, the newest first; with `below`, those with a smaller sequence."""
        await self._plan_with_values()
        rows = await self.connection.fetch(
            """
            SELECT sequence, id, occurred_at, actor_id, subject_id, action, outcome, ip, user_agent,
                   request_id, details, hash, salt
              FROM auth.audit_trail
             WHERE ($1::uuid IS NULL OR actor_id = $1) AND ($2::uuid IS NULL OR subject_id = $2)
               AND ($3::text IS NULL OR action = $3)
               AND ($4::timestamptz IS NULL OR occurred_at >= $4)
               AND ($5::timestamptz IS NULL OR occurred_at < $5)
               AND ($6::bigint IS NULL OR sequence < $6)
             ORDER BY sequence DESC LIMIT $7 OFFSET $8
            """,
            *_conditions(wanted),
            below,
            limit,
            offset,
        )
        return [chained_of(row) for row in rows]

    async def count(self, wanted: AuditFilter) -> int:
        """Returns how many entries the filter lets through."""
        if wanted == AuditFilter():
            return await self._length()
        await self._plan_with_values()
        counted: int = await self.connection.fetchval(
            """
            SELECT count(*) FROM auth.audit_events
             WHERE ($1::uuid IS NULL OR actor_id = $1) AND ($2::uuid IS NULL OR subject_id = $2)
               AND ($3::text IS NULL OR action = $3)
               AND ($4::timestamptz IS NULL OR occurred_at >= $4)
               AND ($5::timestamptz IS NULL OR occurred_at < $5)
            """,
            *_conditions(wanted),
        )
        return counted

    async def _length(self) -> int:
        # There is no gap in a chain: what is missing has been taken out, and `verify` tells.
        length: int = await self.connection.fetchval(
            "SELECT coalesce(max(sequence) - min(sequence) + 1, 0) FROM auth.audit_events"
        )
        return length

    async def _plan_with_values(self) -> None:
        """One plan for all filters would walk the whole chain to find the entries of one person."""
        await self.connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    async def after(self, sequence: int, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries that follow a sequence, the oldest first."""
        rows = await self.connection.fetch(
            """
            SELECT sequence, id, occurred_at, actor_id, subject_id, action, outcome, ip, user_agent,
                   request_id, details, hash, salt
              FROM auth.audit_trail WHERE sequence > $1 ORDER BY sequence LIMIT $2
            """,
            sequence,
            limit,
        )
        return [chained_of(row) for row in rows]

    async def prune(self, through: int) -> int:
        """Removes every entry up to a signed head's, and the heads before it; says how many entries."""
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


def arguments(entry: AuditEntry) -> tuple[object, ...]:
    """Returns what `auth.append_audit_entry` takes, in its order."""
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
        chained_request_id(entry.request_id) if entry.commitment else entry.request_id,
        entry.salt or None,
    )


def _conditions(wanted: AuditFilter) -> tuple[object, ...]:
    return wanted.actor_id, wanted.subject_id, wanted.action, wanted.since, wanted.until


def chained_of(row: Any) -> ChainedEntry:
    """Returns the entry in a row of `auth.audit_trail`."""
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
