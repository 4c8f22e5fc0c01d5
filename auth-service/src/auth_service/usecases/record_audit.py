"""Taking another service's entry into the chain."""

from dataclasses import dataclass, replace

from chassis.errors import Unavailable

from auth_service.domain.audit import AuditEntry
from auth_service.domain.audit_client import chained_request_id
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
            Unavailable: that cannot be asked now, and the event does not say it either.
        """
        if client_kept:
            entry = await self._from_its_client(entry)
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)

    async def _from_its_client(self, entry: AuditEntry) -> AuditEntry:
        """Returns the entry with its client, as far as that is not erased."""
        try:
            client = await self.directory.audit_client(entry.id)
        except Unavailable:
            # While an upgrade is under way the event carries it too, and may be asked about where
            # nobody knows the question. Of who is erased by now nothing is written either way.
            if not (entry.ip or entry.user_agent):
                raise
            return entry
        if client is None:
            return replace(entry, ip="", user_agent="", request_id=chained_request_id(entry.request_id))
        request_id = client.request_id or entry.request_id
        return replace(entry, ip=client.ip, user_agent=client.user_agent, request_id=request_id)
