"""Deleting rows whose retention time is over."""

from chassis.component import Component

from auth_service.domain.unit_of_work import UnitsOfWork

BATCH = 500
"""Rows per statement."""


class PurgeExpired(Component):
    """Deletes in small batches; several instances may do it at once."""

    units: UnitsOfWork

    async def __call__(self) -> int:
        """Returns how many rows were deleted."""
        deleted = 0
        while True:
            async with self.units.statements() as unit:
                batch = await unit.retention.purge(BATCH)
            deleted += batch
            if batch < BATCH:
                return deleted
