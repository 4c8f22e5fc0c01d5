"""The audit log: recording entries and listing them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chassis.component import Component
from chassis.errors import Unavailable
from chassis.identity.audit_client import neutral_request_id

from auth_service.domain.audit import AuditEntry, AuditFilter, ChainedEntry
from auth_service.domain.audit_client import AuditClients
from auth_service.domain.unit_of_work import UnitsOfWork


class RecordAudit(Component):
    """Appends an entry once, however often it is delivered."""

    units: UnitsOfWork
    keepers: Mapping[str, AuditClients]
    """The services that keep the clients of their entries; one that is off is not among them."""

    async def __call__(self, *, entry: AuditEntry, kept_by: str = "") -> None:
        """Appends the entry.

        Args:
            entry: The entry.
            kept_by: The service that keeps its client, which is in no event.

        Raises:
            Unavailable: that service is unreachable, and the event does not have the client either.
        """
        if kept_by in self.keepers:
            entry = await self._from_its_client(entry, self.keepers[kept_by])
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)

    async def _from_its_client(self, entry: AuditEntry, keeper: AuditClients) -> AuditEntry:
        """Returns the entry with its client, unless that is erased."""
        try:
            client = await keeper.audit_client(entry.id)
        except Unavailable:
            # During an upgrade the event has the client too, and user-service may not know this call.
            # A client that is erased by now is not recorded either way.
            if not (entry.ip or entry.user_agent):
                raise
            return entry
        if client is None:
            return replace(entry, ip="", user_agent="", request_id=neutral_request_id(entry.request_id))
        request_id = client.request_id or entry.request_id
        return replace(entry, ip=client.ip, user_agent=client.user_agent, request_id=request_id)


class ListAuditEvents(Component):
    """Lists entries of the chain, the newest first."""

    units: UnitsOfWork

    async def __call__(
        self, *, wanted: AuditFilter, below: int | None, offset: int, limit: int
    ) -> tuple[Sequence[ChainedEntry], int]:
        """Returns entries, and how many there are.

        Args:
            wanted: Which entries.
            below: Begin after the entry of this sequence; None begins with the newest.
            offset: Entries to leave out first.
            limit: Return no more than these.
        """
        async with self.units.transaction() as unit:
            total = await unit.audit.count(wanted)
            return await unit.audit.page(wanted, limit=limit, offset=offset, below=below), total
