"""Taking another service's entry into the chain."""

from dataclasses import dataclass, replace

from auth_service.domain.audit import AuditEntry
from auth_service.domain.ports import UserDirectory
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class RecordAudit:
    """Appends an entry once, however often it is delivered."""

    database: Database
    directory: UserDirectory

    async def __call__(self, *, entry: AuditEntry, client_kept: bool = False) -> None:
        """Returns when the entry is in the chain.

        Args:
            entry: The entry.
            client_kept: Whether the service that told of it keeps whom it came from: no event says so.

        Raises:
            Unavailable: that cannot be asked now.
        """
        if client_kept:
            client = await self.directory.audit_client(entry.id)
            if client is not None:
                entry = replace(
                    entry,
                    ip=client.ip,
                    user_agent=client.user_agent,
                    request_id=entry.request_id or client.request_id,
                )
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)
