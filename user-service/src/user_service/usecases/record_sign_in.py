"""Noting that a person signed in: on auth-service's call, and again on its event."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from user_service.domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class RecordSignIn:
    """Moves a person's last sign-in forward, never back."""

    units: UnitOfWork

    async def __call__(self, user_id: UUID, signed_in_at: datetime) -> None:
        """Notes the sign-in; does nothing for a later one noted before, or a person erased since."""
        async with self.units() as unit:
            if await unit.users.record_sign_in(user_id, signed_in_at):
                await unit.events.user_stale(user_id)
