"""Many users in one statement: `users.users`, looked up and filled by imports."""

from collections.abc import Sequence

from chassis.dataclass import dataclass
from chassis.email_address import canonical_email
from chassis.postgres.connection import Connection, rows_affected

from user_service.adapters.postgres.user_row import texts_of
from user_service.domain.user import User
from user_service.domain.user_import import ImportResult

_TAKEN = """
SELECT wanted.place,
       EXISTS (SELECT FROM users.tombstones WHERE user_id = wanted.id) AS is_erased,
       EXISTS (SELECT FROM users.users WHERE id = wanted.id) AS exists,
       EXISTS (SELECT FROM users.users WHERE email_canonical = wanted.address)
    OR EXISTS (SELECT FROM users.reserved_emails
                WHERE email_canonical = wanted.address AND user_id <> wanted.id AND reserved_until > now())
       AS is_taken
  FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS wanted (id, address, place)
 ORDER BY wanted.place
"""

_INSERT = """
INSERT INTO users.users (
    id, email, email_canonical, email_key, full_name, full_name_key, search_text,
    role, is_active, email_verified, version, created_at, updated_at
)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::boolean[], $10::boolean[], $11::bigint[], $12::timestamptz[], $13::timestamptz[]
)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class PostgresUserImports:
    """`ImportRepository` on one connection."""

    connection: Connection

    async def results(self, users: Sequence[User]) -> list[ImportResult]:
        """Returns what inserting each user would lead to, in their order."""
        rows = await self.connection.fetch(
            _TAKEN, [user.id for user in users], [canonical_email(user.email) for user in users]
        )
        return [_result(row["is_erased"], row["exists"], row["is_taken"]) for row in rows]

    async def insert(self, users: Sequence[User]) -> int:
        """Adds users; returns how many. One whose id or address exists by now is left out."""
        # In one order, so that two imports of the same users wait for each other and do not deadlock.
        rows = [
            (
                user.id,
                *texts_of(user),
                user.role.value,
                user.is_active,
                user.email_verified,
                user.version,
                user.created_at,
                user.updated_at,
            )
            for user in sorted(users, key=lambda user: user.id)
        ]
        return rows_affected(await self.connection.execute(_INSERT, *map(list, zip(*rows, strict=True))))


def _result(is_erased: bool, exists: bool, is_taken: bool) -> ImportResult:  # noqa: FBT001 - a row's columns
    if is_erased:
        return ImportResult.ERASED
    if exists:
        return ImportResult.EXISTS
    return ImportResult.EMAIL_TAKEN if is_taken else ImportResult.CREATED
