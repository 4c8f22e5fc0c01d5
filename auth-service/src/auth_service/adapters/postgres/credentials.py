"""Credentials in Postgres."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.identity.role import Role
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.credential import Credential, Registration
from auth_service.domain.errors import EmailTaken
from auth_service.domain.user import User

SELECT = """
SELECT user_id, email, password_hash, role, is_active, is_pending, version, second_factor, email_verified,
       is_invited, joined_at IS NOT NULL AS is_imported, accept_language
  FROM auth.credentials"""
"""What `credential_of` reads, to be followed by a condition."""

_EMAIL_UNIQUE = "credentials_email_unique"


class PostgresCredentials(Component):
    """`CredentialRepository` on one connection."""

    connection: Connection

    async def by_email(self, canonical: str) -> Credential | None:
        """Returns the credential with this canonical address."""
        row = await self.connection.fetchrow(SELECT + " WHERE email_canonical = $1", canonical)
        return None if row is None else credential_of(row)

    async def by_id(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential."""
        row = await self.connection.fetchrow(SELECT + " WHERE user_id = $1", user_id)
        return None if row is None else credential_of(row)

    async def lock(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential, locked against change and use until the transaction ends."""
        row = await self.connection.fetchrow(SELECT + " WHERE user_id = $1 FOR UPDATE", user_id)
        return None if row is None else credential_of(row)

    async def add_pending(self, registration: Registration, password_hash: str) -> None:
        """Stores a registration until it is admitted or dropped.

        Raises:
            EmailTaken: another credential has the address.
        """
        try:
            await self.connection.execute(
                """
                INSERT INTO auth.credentials
                       (user_id, email, email_canonical, password_hash, role, is_pending, full_name,
                        email_verified, is_invited, accept_language)
                VALUES ($1, $2, $3, $4, $5, true, $6, $7, $8, $9)
                """,
                registration.user_id,
                registration.email,
                canonical_email(registration.email),
                password_hash,
                registration.role.value,
                registration.full_name,
                registration.email_verified,
                registration.is_invited,
                registration.accept_language,
            )
        except asyncpg.UniqueViolationError as error:
            raise _translated(error) from error

    async def pending(self, user_id: UUID) -> Registration | None:
        """Returns a registration that is not admitted yet."""
        row = await self.connection.fetchrow(
            """
            SELECT user_id, email, full_name, role, email_verified, is_active, joined_at
              FROM auth.credentials WHERE user_id = $1 AND is_pending
            """,
            user_id,
        )
        return None if row is None else Registration(**{**row, "role": Role(row["role"])})

    async def pending_before(self, before: datetime, limit: int) -> Sequence[UUID]:
        """Returns the users whose registrations have been pending since before that time, oldest first."""
        rows = await self.connection.fetch(
            """
            SELECT user_id FROM auth.credentials
             WHERE is_pending AND created_at < $1 ORDER BY created_at LIMIT $2
            """,
            before,
            limit,
        )
        return [row["user_id"] for row in rows]

    async def drop_pending(self, user_id: UUID) -> bool:
        """Deletes a registration; returns whether there was one."""
        tag = await self.connection.execute(
            "DELETE FROM auth.credentials WHERE user_id = $1 AND is_pending", user_id
        )
        return rows_affected(tag) > 0

    async def activate(self, user_id: UUID) -> bool:
        """Turns a registration into a credential; returns whether there was one."""
        tag = await self.connection.execute(
            """
            UPDATE auth.credentials
               SET is_pending = false, full_name = NULL, joined_at = NULL, updated_at = now()
             WHERE user_id = $1 AND is_pending
            """,
            user_id,
        )
        return rows_affected(tag) > 0

    async def release_email(self, canonical: str, keeper: UUID) -> UUID | None:
        """Takes the address from every user but `keeper`: deletes a registration, empties a copy.

        Returns:
            The user whose copy has been emptied.
        """
        await self.connection.execute(
            "DELETE FROM auth.credentials WHERE email_canonical = $1 AND user_id <> $2 AND is_pending",
            canonical,
            keeper,
        )
        emptied: UUID | None = await self.connection.fetchval(
            """
            UPDATE auth.credentials
               SET email = NULL, email_canonical = NULL, version = 0, updated_at = now()
             WHERE email_canonical = $1 AND user_id <> $2
            RETURNING user_id
            """,
            canonical,
            keeper,
        )
        return emptied

    async def copy(self, user: User, version: int) -> None:
        """Makes the credential equal to the user, and active if it was pending.

        Raises:
            EmailTaken: another credential has the address.
        """
        try:
            await self.connection.execute(
                """
                UPDATE auth.credentials
                   SET email = $2, email_canonical = $3, role = $4, is_active = $5, version = $6,
                       email_verified = $7 OR (email_verified AND email IS NOT DISTINCT FROM $2),
                       is_pending = false, full_name = NULL, joined_at = NULL, updated_at = now()
                 WHERE user_id = $1
                """,
                user.user_id,
                user.email,
                canonical_email(user.email),
                user.role.value,
                user.is_active,
                version,
                user.email_verified,
            )
        except asyncpg.UniqueViolationError as error:
            raise _translated(error) from error

    async def rehash(self, user_id: UUID, old_hash: str, new_hash: str) -> None:
        """Stores another hash of the same password, if the old one is still there."""
        await self.connection.execute(
            "UPDATE auth.credentials SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2",
            user_id,
            old_hash,
            new_hash,
        )

    async def replace_hash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Stores a new password's hash if the old one is still there; returns whether it was."""
        tag = await self.connection.execute(
            """
            UPDATE auth.credentials SET password_hash = $3, password_changed_at = clock_timestamp(),
                   is_invited = false, updated_at = now()
             WHERE user_id = $1 AND password_hash = $2
            """,
            user_id,
            old_hash,
            new_hash,
        )
        return rows_affected(tag) > 0

    async def password_changed_since(self, user_id: UUID, at: datetime) -> bool:
        """Whether a user chose another password after that time."""
        changed: bool = await self.connection.fetchval(
            "SELECT EXISTS (SELECT FROM auth.credentials WHERE user_id = $1 AND password_changed_at > $2)",
            user_id,
            at,
        )
        return changed

    async def note_language(self, user_id: UUID, accept_language: str) -> None:
        """Stores the languages that a user prefers."""
        await self.connection.execute(
            "UPDATE auth.credentials SET accept_language = $2 WHERE user_id = $1 AND accept_language <> $2",
            user_id,
            accept_language,
        )

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's credential; foreign keys delete the sessions with it."""
        await self.connection.execute("DELETE FROM auth.credentials WHERE user_id = $1", user_id)

    async def has_admin(self) -> bool:
        """Whether an admitted, active admin exists."""
        found = await self.connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM auth.credentials
                            WHERE role = 'admin' AND is_active AND NOT is_pending)
            """
        )
        return bool(found)


def credential_of(row: Any) -> Credential:
    """Returns the credential in a row of `SELECT`, which may have more columns."""
    return Credential(
        user_id=row["user_id"],
        email=row["email"],
        password_hash=row["password_hash"],
        role=Role(row["role"]),
        is_active=row["is_active"],
        is_pending=row["is_pending"],
        version=row["version"],
        second_factor=row["second_factor"],
        email_verified=row["email_verified"],
        is_invited=row["is_invited"],
        is_imported=row["is_imported"],
        accept_language=row["accept_language"],
    )


def _translated(error: asyncpg.UniqueViolationError) -> Exception:
    return EmailTaken() if error.constraint_name == _EMAIL_UNIQUE else error
