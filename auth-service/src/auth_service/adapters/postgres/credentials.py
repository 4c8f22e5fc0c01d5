"""Credentials in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from chassis.email_address import canonical_email
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.credential import Credential, Registration
from auth_service.domain.errors import EmailTaken
from auth_service.domain.user import Person, Role

_EMAIL_UNIQUE = "credentials_email_unique"


@dataclass(frozen=True, slots=True)
class PostgresCredentials:
    """`CredentialRepository` on one connection."""

    connection: Connection

    async def by_email(self, canonical: str) -> Credential | None:
        """Returns the credential with this canonical address."""
        row = await self.connection.fetchrow(
            """
            SELECT user_id, email, password_hash, role, is_active, is_pending, version, second_factor,
                   email_verified, is_invited
              FROM auth.credentials WHERE email_canonical = $1
            """,
            canonical,
        )
        return None if row is None else credential_of(row)

    async def by_id(self, user_id: UUID) -> Credential | None:
        """Returns a person's credential."""
        row = await self.connection.fetchrow(
            """
            SELECT user_id, email, password_hash, role, is_active, is_pending, version, second_factor,
                   email_verified, is_invited
              FROM auth.credentials WHERE user_id = $1
            """,
            user_id,
        )
        return None if row is None else credential_of(row)

    async def lock(self, user_id: UUID) -> Credential | None:
        """Returns a person's credential and keeps everybody else from changing or using it."""
        row = await self.connection.fetchrow(
            """
            SELECT user_id, email, password_hash, role, is_active, is_pending, version, second_factor,
                   email_verified, is_invited
              FROM auth.credentials WHERE user_id = $1 FOR UPDATE
            """,
            user_id,
        )
        return None if row is None else credential_of(row)

    async def add_pending(self, registration: Registration, password_hash: str) -> None:
        """Keeps a registration until it is admitted or dropped.

        Raises:
            EmailTaken: another credential has the address.
        """
        try:
            await self.connection.execute(
                """
                INSERT INTO auth.credentials
                       (user_id, email, email_canonical, password_hash, role, is_pending, full_name,
                        email_verified, is_invited)
                VALUES ($1, $2, $3, $4, $5, true, $6, $7, $8)
                """,
                registration.user_id,
                registration.email,
                canonical_email(registration.email),
                password_hash,
                registration.role.value,
                registration.full_name,
                registration.email_verified,
                registration.is_invited,
            )
        except asyncpg.UniqueViolationError as error:
            raise _translated(error) from error

    async def pending(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits to be admitted."""
        row = await self.connection.fetchrow(
            """
            SELECT user_id, email, full_name, role, email_verified
              FROM auth.credentials WHERE user_id = $1 AND is_pending
            """,
            user_id,
        )
        if row is None:
            return None
        return Registration(
            user_id=row["user_id"],
            email=row["email"],
            full_name=row["full_name"],
            role=Role(row["role"]),
            email_verified=row["email_verified"],
        )

    async def pending_before(self, before: datetime, limit: int) -> Sequence[UUID]:
        """Returns the people whose registrations wait since before that time, the oldest first."""
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
        """Drops a registration; says whether there was one."""
        tag = await self.connection.execute(
            "DELETE FROM auth.credentials WHERE user_id = $1 AND is_pending", user_id
        )
        return rows_affected(tag) > 0

    async def activate(self, user_id: UUID) -> bool:
        """Turns a registration into a credential; says whether there was one."""
        tag = await self.connection.execute(
            """
            UPDATE auth.credentials SET is_pending = false, full_name = NULL, updated_at = now()
             WHERE user_id = $1 AND is_pending
            """,
            user_id,
        )
        return rows_affected(tag) > 0

    async def release_email(self, canonical: str, keeper: UUID) -> UUID | None:
        """Takes the address from whoever holds it but `keeper`: drops a registration, empties a copy."""
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

    async def copy(self, person: Person, version: int) -> None:
        """Makes the credential equal to the person, and active if it was pending.

        Raises:
            EmailTaken: another credential has the address.
        """
        try:
            await self.connection.execute(
                """
                UPDATE auth.credentials
                   SET email = $2, email_canonical = $3, role = $4, is_active = $5, version = $6,
                       email_verified = $7 OR (email_verified AND email IS NOT DISTINCT FROM $2),
                       is_pending = false, full_name = NULL, updated_at = now()
                 WHERE user_id = $1
                """,
                person.user_id,
                person.email,
                canonical_email(person.email),
                person.role.value,
                person.is_active,
                version,
                person.email_verified,
            )
        except asyncpg.UniqueViolationError as error:
            raise _translated(error) from error

    async def replace_hash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Exchanges the password's hash if it is still the old one."""
        tag = await self.connection.execute(
            """
            UPDATE auth.credentials SET password_hash = $3, password_changed_at = now(), is_invited = false,
                   updated_at = now()
             WHERE user_id = $1 AND password_hash = $2
            """,
            user_id,
            old_hash,
            new_hash,
        )
        return rows_affected(tag) > 0

    async def erase(self, user_id: UUID) -> None:
        """Deletes a person's credential; the sessions go with it by their foreign key."""
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
    """Returns the credential in a row that has its columns."""
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
    )


def _translated(error: asyncpg.UniqueViolationError) -> Exception:
    return EmailTaken() if error.constraint_name == _EMAIL_UNIQUE else error
