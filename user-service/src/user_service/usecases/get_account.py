"""What auth-service may copy of a person."""

from dataclasses import dataclass
from uuid import UUID

from chassis.errors import NotFound

from user_service.domain.ports import UnitOfWork, UserReader
from user_service.domain.user import Tombstone, User


@dataclass(frozen=True, slots=True)
class GetAccount:
    """Returns a person, or the tombstone of one."""

    units: UnitOfWork
    reader: UserReader

    async def __call__(self, user_id: UUID) -> User | Tombstone:
        """Returns the person as committed, or what remains of an erased one.

        Raises:
            NotFound: The id was never a person's.
        """
        user = await self.reader.find(user_id)
        if user is not None:
            return user
        async with self.units() as unit:
            tombstone = await unit.tombstones.find(user_id)
        if tombstone is None:
            raise NotFound
        return tombstone
