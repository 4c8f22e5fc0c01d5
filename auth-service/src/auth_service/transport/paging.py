"""Pages of lists that are short enough to be read whole: a user's sessions, API keys and passkeys."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from chassis.errors import Invalid
from vestibule.api.v1.pagination_pb2 import Pagination

PAGE_SIZE = 20

_CURSOR_BYTES = 20
_PAGE_BYTES = 4

Item = TypeVar("Item")


class PageRequest(Protocol):
    """What the request of every list has; a field that is absent reads as zero or empty."""

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
        """A page's `next_cursor`; wins over `page`."""
        ...


def cut(
    request: PageRequest, items: Sequence[Item], id_of: Callable[[Item], UUID], *, newest_first: bool = True
) -> tuple[Sequence[Item], Pagination]:
    """Returns one page of a list and where it stands.

    Args:
        request: Which page.
        items: The whole list, in order.
        id_of: Returns an item's UUIDv7, by whose time of making the list is ordered.
        newest_first: Whether that order descends.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    size, number = request.page_size or PAGE_SIZE, request.page or 1
    first = (number - 1) * size
    if request.cursor:
        number, last = decode_cursor(request.cursor)
        first = _behind(last, [id_of(each) for each in items], newest_first=newest_first)
    shown = items[first : first + size]
    more = first + size < len(items)
    return shown, pagination(
        number, size, len(items), next_cursor=encode_cursor(number + 1, id_of(shown[-1])) if more else None
    )


def _behind(last: UUID, ids: Sequence[UUID], *, newest_first: bool) -> int:
    """Returns where a list goes on behind an item; by the time in its id when it is gone."""
    if last in ids:
        return ids.index(last) + 1
    behind = (each < last if newest_first else each > last for each in ids)
    return next((index for index, is_behind in enumerate(behind) if is_behind), len(ids))


def pagination(number: int, size: int, total: int, *, next_cursor: str | None) -> Pagination:
    """Returns where a page stands in its list."""
    return Pagination(
        page=number,
        page_size=size,
        total_items=total,
        total_pages=-(-total // size),
        has_next=next_cursor is not None,
        has_prev=number > 1,
        next_cursor=next_cursor,
    )


def encode_cursor(page: int, last: UUID) -> str:
    """Returns the cursor of a page that begins behind an item."""
    return base64.urlsafe_b64encode(page.to_bytes(_PAGE_BYTES) + last.bytes).rstrip(b"=").decode()


def decode_cursor(text: str) -> tuple[int, UUID]:
    """Returns the page's number and the item that it begins behind.

    Raises:
        Invalid: the text is no cursor.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    page = int.from_bytes(raw[:_PAGE_BYTES])
    if len(raw) != _CURSOR_BYTES or not 1 < page < 2**31:
        raise Invalid.on("cursor", "is not a cursor of this list")
    return page, UUID(bytes=raw[_PAGE_BYTES:])
