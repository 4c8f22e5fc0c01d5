"""An answer on its way out."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

Header: TypeAlias = tuple[bytes, bytes]

JSON = b"application/json"


class Stream(Protocol):
    """A body that comes part by part; whoever is given one closes it."""

    lifetime_seconds: float

    @property
    def stopped(self) -> "asyncio.Future[None]":
        """Done when the stream is to end before its time."""
        ...

    def parts(self) -> AsyncGenerator[bytes, None]:
        """Yields the parts."""
        ...

    async def close(self) -> None:
        """Frees what the stream holds; closing twice does no harm."""
        ...


@dataclass(slots=True)
class Response:
    """What a client gets.

    Attributes:
        status: HTTP status.
        body: The whole body; empty for none.
        content_type: The body's type.
        headers: Further headers, names in lower case.
        cache_control: What caches may do with it.
        stream: Brings the body part by part, in place of `body`.
        sized: Whether the length of the body is known before it is sent.
        cookies: `Set-Cookie` fields, to which `Secure` is added over TLS.
        page: Whether people look at it in a browser.
    """

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: list[Header] = field(default_factory=list)
    cache_control: bytes = b"no-store"
    stream: Stream | None = None
    sized: bool = True
    cookies: tuple[bytes, ...] = ()
    page: bool = False
