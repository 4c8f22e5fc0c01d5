"""Streaming how far the indexing of a user's documents is."""

import asyncio
from collections.abc import AsyncGenerator

from chassis.component import Component
from chassis.identity.caller import Caller

from knowledge_service.domain.document import Progress
from knowledge_service.domain.unit_of_work import UnitsOfWork

LOOK_SECONDS = 1.0


class StreamProgress(Component):
    """Yields the progress of the caller's documents.

    Attributes:
        model: The embedder's; empty without one.
    """

    units: UnitsOfWork
    model: str

    async def __call__(self, *, caller: Caller) -> AsyncGenerator[Progress, None]:
        """Yields it at once and after each change, until nothing is left to do.

        Raises:
            Unavailable: Postgres could not be reached.
        """
        owner_id, before = caller.require_user_id(), None
        while True:
            async with self.units.statements() as unit:
                now = await unit.documents.progress(owner_id, self.model)
            if now != before:
                yield now
            if now.is_done:
                return
            before = now
            await asyncio.sleep(LOOK_SECONDS)
