"""The last-admin rule: at least one active admin always remains."""

from user_service.domain.errors import LastAdmin
from user_service.domain.user import User
from user_service.domain.user_repository import UserRepository


async def require_another_admin(users: UserRepository, before: User, after: User | None) -> None:
    """Checks that a change leaves an active admin.

    Args:
        users: In the transaction that makes the change: two admins who step down at the same time
            wait for each other.
        before: The locked user.
        after: The user as changed; None when erased.

    Raises:
        LastAdmin: the change would demote, deactivate or erase the last active admin.
    """
    loses_admin = before.is_active_admin and (after is None or not after.is_active_admin)
    if loses_admin and await users.is_last_active_admin(before.id):
        raise LastAdmin
