"""The response to a request."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import field
from typing import Any, Protocol, TypeAlias

from chassis.dataclass import dataclass

Header: TypeAlias = tuple[bytes, bytes]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"


class Stream(Protocol):
    """What is sent over time, in place of a body. The app delivers it, then closes it in any case."""

    async def deliver(self, status: int, headers: list[Header], send: Send) -> None:
        """Sends the head and all that follows, until the stream ends or the client has left."""
        ...

    async def close(self) -> None:
        """Frees what the stream holds; closing twice has no effect."""
        ...


@dataclass(slots=True)
class StreamSummary:
    """What became of a stream, for the access log.

    Attributes:
        end: Why it ended, in one word or by the error's code.
        received: Messages from the client.
        sent: Messages to the client.
    """

    end: str = ""
    received: int = 0
    sent: int = 0


@dataclass(slots=True)
class Response:
    """A response.

    Attributes:
        status: HTTP status.
        body: The whole body; empty for none.
        content_type: The body's type.
        headers: Further headers, names in lower case.
        cache_control: What caches may do with it.
        stream: What is sent over time, in place of `body`.
        sized: Whether the length of the body is known before it is sent.
        cookies: `Set-Cookie` fields, to which `Secure` is added over TLS.
        content_policy: Its `Content-Security-Policy`; the one of data when empty.
        read: What the request had to pass (`gateway.repeats.CachedRead`), if the near cache had the response.
    """

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: list[Header] = field(default_factory=list)
    cache_control: bytes = b"no-store"
    stream: Stream | None = None
    sized: bool = True
    cookies: tuple[bytes, ...] = ()
    content_policy: bytes = b""
    read: object = None
