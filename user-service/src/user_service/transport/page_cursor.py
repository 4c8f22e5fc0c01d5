"""Cursors as opaque text for clients; validated when it comes back.

A cursor is not signed: it contains nothing that an admin could not request in another way.
"""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.errors import Invalid
from chassis.filter_mark import filter_mark

from user_service.domain.folding import SORT_KEY_LENGTH
from user_service.domain.listing import Cursor, Filter, Sort

_TIMES = (Sort.CREATED_AT, Sort.CREATED_AT_DESCENDING)
_PAGE_MAX = 2**31 - 2


def encode(cursor: Cursor, which: Filter) -> str:
    """Returns the text of a cursor of a filtered list."""
    key = cursor.key.isoformat() if isinstance(cursor.key, datetime) else cursor.key
    content = [cursor.sort.value, key, cursor.user_id.hex, cursor.page, _mark(which)]
    raw = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str, sort: Sort, which: Filter) -> Cursor:
    """Returns the cursor that a text encodes.

    Raises:
        Invalid: it is malformed, or was made for another order or other filters.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        *place, mark = content
        cursor = _cursor(place)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    if cursor.sort is not sort:
        raise Invalid.on("cursor", "belongs to a list in another order")
    if mark != _mark(which):
        raise Invalid.on("cursor", "belongs to a list with other filters")
    return cursor


def _mark(which: Filter) -> str:
    return filter_mark(which.search, which.role, which.is_active).hex()


def _cursor(content: list[Any]) -> Cursor:
    name, key, identifier, page = content
    sort = Sort(name)
    if not (isinstance(key, str) and isinstance(identifier, str) and type(page) is int):
        raise TypeError("not the types of a cursor")
    if not 1 <= page <= _PAGE_MAX:
        raise ValueError("not a page")
    return Cursor(sort=sort, key=_key(sort, key), user_id=UUID(hex=identifier), page=page)


def _key(sort: Sort, text: str) -> datetime | str:
    if sort in _TIMES:
        at = datetime.fromisoformat(text)
        if at.utcoffset() is None:
            raise ValueError("not a time with an offset")
        return at.astimezone(UTC)
    if len(text) > SORT_KEY_LENGTH or "\0" in text:
        raise ValueError("not a sort key")
    text.encode()  # Raises for a lone surrogate, which JSON can contain.
    return text
