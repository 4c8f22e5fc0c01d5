"""The audit log: recording entries and listing them."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace

from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.errors import Invalid, Unavailable
from chassis.filter_mark import filter_mark
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """A page of entries, and its place in the list."""

    entries: Sequence[ChainedEntry]
    page: int
    page_size: int
    total: int
    next_cursor: str | None

    @property
    def total_pages(self) -> int:
        """Pages in the whole list."""
        return -(-self.total // self.page_size)


class ListAuditEvents(Component):
    """Lists entries of the chain, the newest first."""

    units: UnitsOfWork

    async def __call__(
        self, *, wanted: AuditFilter, page: int, page_size: int, cursor: str | None
    ) -> AuditPage:
        """Returns a page.

        Args:
            wanted: Which entries.
            page: The page's number, from 1.
            page_size: Entries per page.
            cursor: The end of the page before; wins over `page`.

        Raises:
            Invalid: the cursor is not one of ours, or was made for other filters.
        """
        below: int | None = None
        if cursor is not None:
            page, below = _read(cursor, _mark(wanted))
        offset = 0 if cursor is not None else (page - 1) * page_size
        async with self.units.transaction() as unit:
            total = await unit.audit.count(wanted)
            found = await unit.audit.page(wanted, limit=page_size + 1, offset=offset, below=below)
        entries = found[:page_size]
        more = len(found) > page_size
        return AuditPage(
            entries=entries,
            page=page,
            page_size=page_size,
            total=total,
            next_cursor=_write(page + 1, entries[-1].sequence, _mark(wanted)) if more else None,
        )


def _mark(wanted: AuditFilter) -> str:
    return filter_mark(*astuple(wanted)).hex()


def _write(page: int, below: int, mark: str) -> str:
    return base64.urlsafe_b64encode(f"{page}.{below}.{mark}".encode()).decode().rstrip("=")


def _read(cursor: str, mark: str) -> tuple[int, int]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        *place, made_for = raw.decode("ascii").split(".")
        page, below = map(int, place)
    except (binascii.Error, ValueError) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    if not (1 <= page < 2**31 and 0 <= below < 2**63):
        raise Invalid.on("cursor", "is not a cursor of this list")
    if made_for != mark:
        raise Invalid.on("cursor", "belongs to a list with other filters")
    return page, below
