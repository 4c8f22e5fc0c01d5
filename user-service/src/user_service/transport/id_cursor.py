"""Cursors of lists that are in the order of their ids, the newest first."""

import base64
import binascii
import struct
from dataclasses import dataclass
from uuid import UUID

from chassis.errors import Invalid

_CONTENT = struct.Struct(">I16s")


@dataclass(frozen=True, slots=True)
class IdCursor:
    """Where a page ended.

    Attributes:
        page: Its number.
        below: The id of its last row.
    """

    page: int
    below: UUID

    @property
    def text(self) -> str:
        """The cursor as clients get it."""
        return base64.urlsafe_b64encode(_CONTENT.pack(self.page, self.below.bytes)).decode().rstrip("=")


def decode(text: str) -> IdCursor:
    """Returns the cursor that a text encodes.

    Raises:
        Invalid: it is malformed.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        page, below = _CONTENT.unpack(raw)
    except (binascii.Error, ValueError, struct.error) as error:
        raise Invalid.on("cursor", "is not a cursor of this list") from error
    if not 1 <= page < 2**31 - 1:
        raise Invalid.on("cursor", "is not a cursor of this list")
    return IdCursor(page, UUID(bytes=below))
