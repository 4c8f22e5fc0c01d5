"""A row of `users.users` as a person."""

import asyncpg

from user_service.domain.user import Role, User


def user_of(row: asyncpg.Record) -> User:
    """Returns the person in a row; extra columns are ignored."""
    return User(
        id=row["id"],
        email=row["email"],
        full_name=row["full_name"],
        role=Role(row["role"]),
        is_active=row["is_active"],
        email_verified=row["email_verified"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_login_at=row["last_login_at"],
        pending_email=row["pending_email"],
    )
