"""A row of `users.users` as a user, and the columns that follow from a user's texts."""

import asyncpg
from chassis.email_address import canonical_email
from chassis.identity.role import Role
from chassis.text import fold

from user_service.domain.folding import search_text, sort_key
from user_service.domain.user import User

COLUMNS = """
    id, email, full_name, role, is_active, email_verified,
    version, created_at, updated_at, last_login_at, pending_email
"""
"""The columns that `user_of` reads, in the order of a `User`'s fields."""

_ROLES = {role.value: role for role in Role}


def user_of(row: asyncpg.Record) -> User:
    """Returns the user in a row."""
    user_id, email, full_name, role, *others = row
    return User(user_id, email, full_name, _ROLES[role], *others)


def texts_of(user: User) -> tuple[str, str, str, str, str, str]:
    """Returns the columns from `email` to `search_text`."""
    address = canonical_email(user.email)
    return (
        user.email,
        address,
        sort_key(address),
        user.full_name,
        sort_key(fold(user.full_name)),
        search_text(user.email, user.full_name),
    )
