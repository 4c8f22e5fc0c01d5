"""The users: `users.users`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import asyncpg
from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection, rows_affected

from user_service.adapters.postgres import audit_clients, user_lists
from user_service.adapters.postgres.user_row import COLUMNS, texts_of, user_of
from user_service.domain.errors import EmailTaken
from user_service.domain.listing import Filter, Position, Sort
from user_service.domain.user import User

_FIND = f"SELECT {COLUMNS} FROM users.users WHERE id = $1"  # noqa: S608 of constants


@dataclass(frozen=True, slots=True)
class PostgresUsers:
    """`UserRepository` on one connection."""

    connection: Connection

    async def insert(self, user: User) -> bool:
        """Adds a user; returns False, and adds nothing, when the id exists already."""
        tag = await self.connection.execute(
            """
            INSERT INTO users.users (
                id, email, email_canonical, email_key, full_name, full_name_key, search_text,
                role, is_active, email_verified, version, created_at, updated_at, last_login_at,
                pending_email
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
            ON CONFLICT DO NOTHING
            """,
            user.id,
            *texts_of(user),
            user.role,
            user.is_active,
            user.email_verified,
            user.version,
            user.created_at,
            user.updated_at,
            user.last_login_at,
            user.pending_email,
        )
        if rows_affected(tag) == 1:
            return True
        # The statement checks both constraints: if it named only the id, a concurrent insert of the
        # same user could violate the address's constraint and be refused as a duplicate address.
        if await self.find(user.id) is None:
            raise EmailTaken
        return False

    async def find(self, user_id: UUID) -> User | None:
        """Returns a user as committed."""
        row = await self.connection.fetchrow(_FIND, user_id)
        return None if row is None else user_of(row)

    async def lock(self, user_id: UUID) -> User | None:
        """Returns a user, locked against changes by others until the transaction ends."""
        row = await self.connection.fetchrow(f"{_FIND} FOR UPDATE", user_id)
        return None if row is None else user_of(row)

    async def save(self, user: User) -> None:
        """Overwrites a locked user, except for the last sign-in."""
        # NOT EXISTS comes first because Postgres logs a violated constraint with the address; the
        # constraint still decides between concurrent calls.
        with _email_taken():
            tag = await self.connection.execute(
                """
                UPDATE users.users
                SET email = $2, email_canonical = $3, email_key = $4,
                    full_name = $5, full_name_key = $6, search_text = $7,
                    role = $8, is_active = $9, email_verified = $10, version = $11, updated_at = $12,
                    pending_email = $13
                WHERE id = $1
                  AND NOT EXISTS (SELECT FROM users.users WHERE email_canonical = $3 AND id <> $1)
                """,
                user.id,
                *texts_of(user),
                user.role,
                user.is_active,
                user.email_verified,
                user.version,
                user.updated_at,
                user.pending_email,
            )
        if rows_affected(tag) == 0:
            raise EmailTaken

    async def record_sign_in(self, user_id: UUID, signed_in_at: datetime) -> bool:
        """Moves the last sign-in forward; returns whether it moved."""
        tag = await self.connection.execute(
            """
            UPDATE users.users
            SET last_login_at = $2
            WHERE id = $1 AND (last_login_at IS NULL OR last_login_at < $2)
            """,
            user_id,
            signed_in_at,
        )
        return rows_affected(tag) == 1

    async def is_last_active_admin(self, user_id: UUID) -> bool:
        """Whether no other user is an active admin; other units that ask wait for this one to end."""
        await self.connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('users:admins', 0))")
        # A separate statement, because its snapshot must be taken after the lock.
        another = await self.connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM users.users WHERE role = 'admin' AND is_active AND id <> $1)
            """,
            user_id,
        )
        return not another

    async def delete(self, user_id: UUID) -> None:
        """Removes a locked user's row, and the clients behind the user's audit entries."""
        await self.connection.execute("DELETE FROM users.users WHERE id = $1", user_id)
        await audit_clients.erase(self.connection, user_id)

    async def page(
        self, which: Filter, sort: Sort, *, after: Position | None, offset: int, limit: int
    ) -> list[User]:
        """Returns users in order, after a position or from an offset, at most `limit`."""
        return await user_lists.page(self.connection, which, sort, after=after, offset=offset, limit=limit)

    async def count(self, which: Filter) -> int:
        """Returns how many users match a filter."""
        return await user_lists.count(self.connection, which)


@contextmanager
def _email_taken() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "users_email_unique":
            raise EmailTaken from error
        raise
