"""Credentials of many imported users in one statement each."""

from collections.abc import Sequence
from uuid import UUID

from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.postgres.connection import Connection

from auth_service.domain.user_import import ImportedAccount, Presence

_ADD = """
WITH added AS (
    INSERT INTO auth.credentials
           (user_id, email, email_canonical, password_hash, role, is_active, email_verified, full_name,
            joined_at, second_factor, is_pending)
    SELECT user_id, email, address, hash, role, is_active, is_verified, name, joined_at,
           secret IS NOT NULL, true
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[],
                  $8::text[], $9::timestamptz[], $10::bytea[])
        AS wanted (user_id, email, address, hash, role, is_active, is_verified, name, joined_at, secret)
    ON CONFLICT DO NOTHING
    RETURNING user_id
), sealed AS (
    INSERT INTO auth.authenticators (user_id, sealed_secret, is_confirmed)
    SELECT user_id, secret, true
      FROM unnest($1::uuid[], $10::bytea[]) AS wanted (user_id, secret) JOIN added USING (user_id)
     WHERE secret IS NOT NULL
)
SELECT user_id FROM added
"""


class PostgresUserImports(Component):
    """`ImportRepository` on one connection."""

    connection: Connection

    async def presences(self, rows: Sequence[tuple[Sequence[UUID], str]]) -> list[tuple[UUID, Presence]]:
        """Returns the id of each row's account, and whether it exists."""
        ids = [user_id for candidates, _ in rows for user_id in candidates]
        records = await self.connection.fetch(
            """
            SELECT user_id, email_canonical, is_pending FROM auth.credentials
             WHERE user_id = ANY($1::uuid[]) OR email_canonical = ANY($2::text[])
            """,
            ids,
            [address for _, address in rows],
        )
        pending = {record["user_id"]: record["is_pending"] for record in records}
        taken = {record["email_canonical"] for record in records}
        return [_presence(candidates, pending, is_taken=address in taken) for candidates, address in rows]

    async def add_pending(self, accounts: Sequence[ImportedAccount]) -> set[UUID]:
        """Stores credentials until user-service has admitted their users."""
        # In one order, so that two imports of the same users wait for each other and do not deadlock.
        columns = zip(
            *(_columns(each) for each in sorted(accounts, key=lambda each: each.user_id)), strict=True
        )
        return {record["user_id"] for record in await self.connection.fetch(_ADD, *map(list, columns))}

    async def activate(self, user_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Turns pending credentials into active ones; returns whose were pending."""
        rows = await self.connection.fetch(
            """
            UPDATE auth.credentials
               SET is_pending = false, full_name = NULL, joined_at = NULL, updated_at = now()
             WHERE user_id = ANY($1::uuid[]) AND is_pending
            RETURNING user_id
            """,
            list(user_ids),
        )
        return frozenset(row["user_id"] for row in rows)

    async def drop(self, user_ids: Sequence[UUID]) -> None:
        """Deletes pending credentials."""
        await self.connection.execute(
            "DELETE FROM auth.credentials WHERE user_id = ANY($1::uuid[]) AND is_pending", list(user_ids)
        )


def _presence(
    candidates: Sequence[UUID], pending: dict[UUID, bool], *, is_taken: bool
) -> tuple[UUID, Presence]:
    for user_id in candidates:
        if user_id in pending:
            return user_id, Presence.PENDING if pending[user_id] else Presence.IMPORTED
    return candidates[0], Presence.TAKEN if is_taken else Presence.NEW


def _columns(account: ImportedAccount) -> tuple[object, ...]:
    row = account.row
    return (
        account.user_id,
        row.email,
        canonical_email(row.email),
        account.password_hash,
        row.role.value,
        row.is_active,
        row.email_verified,
        row.full_name,
        row.created_at,
        account.sealed_secret,
    )
