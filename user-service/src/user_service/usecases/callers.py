"""Checks that callers still have the rights in their token.

A token stays valid until auth-service has learned of a change; here the current user is at hand.
"""

from chassis.errors import TokenRevoked
from chassis.identity.caller import Caller

from user_service.domain.unit_of_work import UnitOfWork
from user_service.domain.user import User


def require_active(user: User | None) -> User:
    """Returns the caller's own user.

    Raises:
        TokenRevoked: the user was deactivated or erased since the token was issued.
    """
    if user is None or not user.is_active:
        raise TokenRevoked
    return user


async def require_admin(unit: UnitOfWork, caller: Caller) -> None:
    """Checks that the caller is still an active admin.

    Raises:
        TokenRevoked: the caller was demoted, deactivated or erased since the token was issued.
    """
    if not require_active(await unit.users.find(caller.require_user_id())).is_active_admin:
        raise TokenRevoked
