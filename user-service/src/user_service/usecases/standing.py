"""Whether a caller still is what the token says.

Tokens outlive a change until auth-service has heard of it; here the truth is at hand.
"""

from chassis.errors import TokenRevoked
from chassis.identity.caller import Caller

from user_service.domain.ports import Unit
from user_service.domain.user import User


def require_standing(user: User | None) -> User:
    """Returns the caller's own person.

    Raises:
        TokenRevoked: The person was deactivated or erased since the token was issued.
    """
    if user is None or not user.is_active:
        raise TokenRevoked
    return user


async def require_admin(unit: Unit, caller: Caller) -> None:
    """Makes sure that the caller still administers.

    Raises:
        TokenRevoked: The caller was demoted, deactivated or erased since the token was issued.
    """
    if not require_standing(await unit.users.find(caller.person())).is_active_admin:
        raise TokenRevoked
