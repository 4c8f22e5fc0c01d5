"""Cursors of lists that are in the order of their ids, the newest first."""

import base64
import binascii
import struct
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.errors import Invalid
from chassis.filter_mark import MARK_BYTES

_CONTENT = struct.Struct(f">I16s{MARK_BYTES}s")


@dataclass(frozen=True, slots=True)
class IdCursor:
    """Where a page ended.

    Attributes:
        page: Its number.
        below: The id of its last row.
        mark: Of the list's filters.
    """

    page: int
    below: UUID
    mark: bytes

    @property
    def text(self) -> str:
        """The cursor as clients get it."""
        return (
            base64.urlsafe_b64encode(_CONTENT.pack(self.page, self.below.bytes, self.mark))
            .decode()
            .rstrip("=")
        )


def decode(text: str, mark: bytes) -> IdCursor:
    """Returns the cursor that a text encodes.

    Raises:
        Invalid: it is malformed, or was made for other filters.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        page, below, made_for = _CONTENT.unpack(raw)
    except (binascii.Error, ValueError, struct.error) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    if not 1 <= page < 2**31 - 1:
        raise Invalid.on("cursor", "is not a cursor of this list")
    if made_for != mark:
        raise Invalid.on("cursor", "belongs to a list with other filters")
    return IdCursor(page, UUID(bytes=below), mark)
