"""An answer on its way out."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TypeAlias

Header: TypeAlias = tuple[bytes, bytes]

JSON = b"application/json"


@dataclass(slots=True)
class Answer:
    """What a client gets.

    Attributes:
        status: HTTP status.
        body: The whole body; empty for none.
        content_type: The body's type.
        headers: Further headers, names in lower case.
        cache_control: What caches may do with it.
        stream: Brings the body part by part, in place of `body`.
        page: Whether people look at it in a browser.
    """

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: list[Header] = field(default_factory=list)
    cache_control: bytes = b"no-store"
    stream: AsyncGenerator[bytes, None] | None = None
    page: bool = False
