"""Taking another service's entry into the chain."""

from dataclasses import dataclass

from auth_service.domain.audit import AuditEntry
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class RecordAudit:
    """Appends an entry once, however often it is delivered."""

    database: Database

    async def __call__(self, *, entry: AuditEntry) -> None:
        """Returns when the entry is in the chain."""
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)
