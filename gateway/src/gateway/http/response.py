"""The response to a request."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

Header: TypeAlias = tuple[bytes, bytes]

JSON = b"application/json"


class Stream(Protocol):
    """A body that is sent part by part; its receiver must close it."""

    lifetime_seconds: float

    @property
    def stopped(self) -> "asyncio.Future[None]":
        """Done when the stream must end early."""
        ...

    def parts(self) -> AsyncGenerator[bytes, None]:
        """Yields the parts."""
        ...

    async def close(self) -> None:
        """Releases the stream's resources; may be called twice."""
        ...


@dataclass(slots=True)
class Response:
    """A response.

    Attributes:
        status: HTTP status.
        body: The whole body; empty for none.
        content_type: The body's type.
        headers: Further headers, names in lower case.
        cache_control: What caches may do with it.
        stream: Yields the body part by part, in place of `body`.
        sized: Whether the body's length is known before it is sent.
        cookies: `Set-Cookie` fields, to which `Secure` is added over TLS.
        page: Whether it is a page for browsers.
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
