"""Showing one's passkeys."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.identity.caller import Caller

from auth_service.domain.passkey import Passkey
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class ListPasskeys:
    """Lists the caller's passkeys."""

    database: Database

    async def __call__(self, *, caller: Caller) -> Sequence[Passkey]:
        """Returns them, the oldest first."""
        async with self.database.statements() as stores:
            return await stores.passkeys.of_person(caller.person())
