"""Pages of lists, and their cursors: where a page begins, as opaque text for clients.

A cursor has the key of the row that its page begins after, so that rows which are added or removed meanwhile
make no other row appear twice or get lost. It contains nothing that its reader could not request in another
way, so it is not signed; all of it is checked when it comes back.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from vestibule.api.v1.pagination_pb2 import Pagination

from chassis.dataclass import dataclass
from chassis.errors import Invalid

PAGE_SIZE = 20
"""Rows per page unless the request has a size."""

_PAGE_MAX = 2**31 - 1
_MARK_BYTES = 4

Key = TypeVar("Key")
Item = TypeVar("Item")


class ListRequest(Protocol):
    """What the request of every list has; a field that is absent reads as zero or empty."""

    DESCRIPTOR: Any

    @property
    def page(self) -> int:
        """The page's number, from 1."""
        ...

    @property
    def page_size(self) -> int:
        """Rows per page."""
        ...

    @property
    def cursor(self) -> str:
        """A page's `next_cursor`; overrides `page`."""
        ...

    def HasField(self, field_name: Literal["cursor"], /) -> bool:  # noqa: N802 as protobuf names it
        """Whether the request has a cursor."""
        ...


@dataclass(frozen=True, slots=True)
class RequestedPage(Generic[Key]):
    """Which page of a list is requested.

    Attributes:
        number: Its number, from 1.
        size: Rows per page.
        after: Key of the row that it begins after; None when it is requested by its number.
        mark: Of the list and its filters: with others a cursor would mean another place.
    """

    number: int
    size: int
    after: Key | None
    mark: str

    @property
    def offset(self) -> int:
        """Rows to leave out: those of the pages before, or none behind `after`."""
        return (self.number - 1) * self.size if self.after is None else 0

    @property
    def limit(self) -> int:
        """Rows to read: one more than the page has shows whether another follows."""
        return self.size + 1

    def page(
        self, rows: Sequence[Item], total_items: int, key_of: Callable[[Item], object]
    ) -> tuple[Sequence[Item], Pagination]:
        """Returns the page's rows and its position.

        Args:
            rows: What was read, `limit` at most.
            total_items: Rows of the whole list.
            key_of: Returns the key of a row that has a single part.
        """
        shown = rows[: self.size]
        has_next = len(rows) > self.size
        return shown, self.pagination(total_items, [key_of(shown[-1])] if has_next else None)

    def pagination(self, total_items: int, last_key: Sequence[object] | None) -> Pagination:
        """Returns the page's position in its list.

        Args:
            total_items: Rows of the whole list.
            last_key: Key of the page's last row, in parts; None if no page follows.
        """
        return Pagination(
            page=self.number,
            page_size=self.size,
            total_items=total_items,
            total_pages=-(-total_items // self.size),
            has_next=last_key is not None,
            has_prev=self.number > 1,
            next_cursor=None if last_key is None else self._cursor(last_key),
        )

    def _cursor(self, last_key: Sequence[object]) -> str:
        content = [self.mark, self.number + 1, *map(str, last_key)]
        raw = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def requested_page(request: ListRequest, parse: Callable[..., Key], *filters: object) -> RequestedPage[Key]:
    """Reads which page a request asks for.

    Args:
        request: The request of a list.
        parse: Makes a key of its parts, which are text; raises `ValueError` or `TypeError` if they are none.
        filters: The list's filters and order; None stands for a filter that is not set.

    Raises:
        Invalid: the cursor is malformed, or was made for another list, other filters or another order.
    """
    size, mark = request.page_size or PAGE_SIZE, _mark(request, filters)
    if not request.HasField("cursor"):
        return RequestedPage(request.page or 1, size, None, mark)
    try:
        padded = request.cursor + "=" * (-len(request.cursor) % 4)
        made_for, number, *parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        after = parse(*_checked(number, parts))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    if made_for != mark:
        raise Invalid.on("cursor", "belongs to a list with other filters or in another order")
    return RequestedPage(number, size, after, mark)


def cut(
    request: ListRequest, items: Sequence[Item], id_of: Callable[[Item], UUID], *, newest_first: bool = True
) -> tuple[Sequence[Item], Pagination]:
    """Returns one page of a list that was read whole, and its position.

    Args:
        request: Which page.
        items: The whole list, in order.
        id_of: Returns an item's UUIDv7, by whose time the list is ordered.
        newest_first: Whether that order descends.

    Raises:
        Invalid: the cursor is not one of this list.
    """
    requested = requested_page(request, UUID)
    first = requested.offset
    if requested.after is not None:
        first = _index_after(requested.after, [id_of(each) for each in items], newest_first=newest_first)
    return requested.page(items[first : first + requested.limit], len(items), id_of)


def time_of_key(text: str) -> datetime:
    """Returns the time in a key of a row.

    Raises:
        ValueError: it is none, or has no offset from UTC.
    """
    at = datetime.fromisoformat(text)
    if at.utcoffset() is None:
        raise ValueError("not a time with an offset")
    return at.astimezone(UTC)


def _checked(number: object, parts: Sequence[object]) -> Sequence[object]:
    """Returns the parts of a key, which are text."""
    if type(number) is not int or not 1 < number <= _PAGE_MAX:
        raise ValueError("not the number of a page that follows another")
    if not all(isinstance(part, str) for part in parts):
        raise TypeError("not the key of a row")
    return parts


def _index_after(last: UUID, ids: Sequence[UUID], *, newest_first: bool) -> int:
    """Returns the index of the item that follows another; by the time in its id when that is gone."""
    if last in ids:
        return ids.index(last) + 1
    follows = (each < last if newest_first else each > last for each in ids)
    return next((index for index, is_next in enumerate(follows) if is_next), len(ids))


def _mark(request: ListRequest, filters: Sequence[object]) -> str:
    named = [request.DESCRIPTOR.full_name, *(None if each is None else str(each) for each in filters)]
    return hashlib.blake2s(json.dumps(named).encode(), digest_size=_MARK_BYTES).hexdigest()
