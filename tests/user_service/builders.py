"""Valid users and callers; a test names only what matters to it."""

from datetime import UTC, datetime
from uuid import UUID

from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7
from user_service.domain.user import User

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def a_user(
    email: str | None = None,
    *,
    user_id: UUID | None = None,
    full_name: str = "Grace Hopper",
    role: Role = Role.USER,
    is_active: bool = True,
    email_verified: bool = True,
    version: int = 1,
    created_at: datetime = LONG_AGO,
    last_login_at: datetime | None = None,
    pending_email: str | None = None,
) -> User:
    """Returns a user."""
    user_id = user_id or uuid7()
    return User(
        id=user_id,
        email=email or f"{user_id.hex}@example.org",
        full_name=full_name,
        role=role,
        is_active=is_active,
        email_verified=email_verified,
        version=version,
        created_at=created_at,
        updated_at=created_at,
        last_login_at=last_login_at,
        pending_email=pending_email,
    )


def an_admin(email: str | None = None, *, is_active: bool = True) -> User:
    """Returns an admin."""
    return a_user(email, role=Role.ADMIN, is_active=is_active)


def caller_of(user: User) -> Caller:
    """Returns the caller of a signed-in user."""
    return Caller(
        user_id=user.id,
        role=user.role,
        session_id=uuid7(),
        token_id=uuid7(),
        client_address="192.0.2.7",
        user_agent="tests",
        request_id="request-1",
    )
