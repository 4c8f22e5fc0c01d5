"""A row of `users.users` as a user."""

import asyncpg
from chassis.identity.role import Role

from user_service.domain.user import User

COLUMNS = """
    id, email, full_name, role, is_active, email_verified,
    version, created_at, updated_at, last_login_at, pending_email
"""
"""The columns that `user_of` reads."""


def user_of(row: asyncpg.Record) -> User:
    """Returns the user in a row."""
    return User(**{**row, "role": Role(row["role"])})
