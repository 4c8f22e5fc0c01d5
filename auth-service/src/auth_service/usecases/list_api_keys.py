"""Listing one's API keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.identity.caller import Caller

from auth_service.domain.api_key import ApiKey
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class ListApiKeys:
    """Lists the caller's keys that were not revoked."""

    database: Database

    async def __call__(self, *, caller: Caller) -> Sequence[ApiKey]:
        """Returns them, the newest first."""
        async with self.database.statements() as stores:
            return await stores.api_keys.of_person(caller.person())
