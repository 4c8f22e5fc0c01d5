"""What happened."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import Invalid

from auth_service.domain.audit import AuditFilter, ChainedEntry
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """A page of entries and where it stands."""

    entries: Sequence[ChainedEntry]
    page: int
    page_size: int
    total: int
    next_cursor: str | None

    @property
    def total_pages(self) -> int:
        """Pages in the whole list."""
        return -(-self.total // self.page_size)


@dataclass(frozen=True, slots=True)
class ListAuditEvents:
    """Lists entries of the chain, the newest first."""

    database: Database

    async def __call__(
        self, *, wanted: AuditFilter, page: int, page_size: int, cursor: str | None
    ) -> AuditPage:
        """Returns a page.

        Args:
            wanted: Which entries.
            page: The page's number, from 1.
            page_size: Entries a page.
            cursor: Where the page before ended; wins over `page`.

        Raises:
            Invalid: the cursor is not one of ours.
        """
        below: int | None = None
        if cursor is not None:
            page, below = _read(cursor)
        offset = 0 if cursor is not None else (page - 1) * page_size
        async with self.database.transaction() as stores:
            total = await stores.audit.count(wanted)
            found = await stores.audit.page(wanted, limit=page_size + 1, offset=offset, below=below)
        entries = found[:page_size]
        more = len(found) > page_size
        return AuditPage(
            entries=entries,
            page=page,
            page_size=page_size,
            total=total,
            next_cursor=_write(page + 1, entries[-1].sequence) if more else None,
        )


def _write(page: int, below: int) -> str:
    return base64.urlsafe_b64encode(f"{page}.{below}".encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[int, int]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        page, below = (int(part) for part in raw.decode("ascii").split("."))
    except (binascii.Error, ValueError) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    if not (1 <= page < 2**31 and 0 <= below < 2**63):
        raise Invalid.on("cursor", "is not a cursor of this list")
    return page, below
