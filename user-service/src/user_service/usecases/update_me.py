"""Changing oneself."""

from dataclasses import dataclass

from chassis.identity.caller import Caller

from user_service.domain.user import Changes, User
from user_service.usecases.update_user import UpdateUser


@dataclass(frozen=True, slots=True)
class UpdateMe:
    """Changes the caller's name or e-mail address."""

    update_user: UpdateUser

    async def __call__(
        self, caller: Caller, *, full_name: str | None, email: str | None, if_match: str | None = None
    ) -> User:
        """Returns the caller as changed.

        Raises:
            RateLimited: Other addresses were asked for too often.
            VersionConflict: The caller has another version by now.
            TokenRevoked: The caller was deactivated or erased since the token was issued.
            Unavailable: It is committed, but auth-service could not be told yet.
        """
        changes = Changes(full_name=full_name, email=email)
        return await self.update_user(caller, caller.person(), changes, if_match)
