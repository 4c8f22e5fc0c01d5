"""A request as the edge sees it, and what its body may be."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from chassis.addresses import normal_address
from chassis.grpc.call import Call
from chassis.identity.claims import Claims
from chassis.span import Span
from chassis.streamed_answers import ABORT_EXTENSION, Abort
from chassis.whole_answers import EXTENSION, AnswerWhole

from chassis import ids, traces
from gateway.http.client_address import TrustedProxies
from gateway.http.forwarded import came_by_tls
from gateway.http.problems import PayloadTooLarge, RequestTimeout

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_NONE: dict[str, Any] = {}

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS_MAX = 30.0
DISCARDED_BYTES_MAX = 1024 * 1024
DISCARD_SECONDS_MAX = 0.5

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class Request:
    """One request.

    Attributes:
        verb: HTTP method.
        path: The path, still percent-encoded.
        query: The query string, still percent-encoded.
        headers: By lower-case name; repeated ones joined by commas.
        request_id: The client's, when it is well formed, or a new one.
        client_address: The client's IP address in its normal form (`chassis.addresses`).
        secure: Whether the client came over TLS, as far as a trusted proxy says.
        traceparent: Context of the trace, the client's or a new one, with our span.
        caller_traceparent: The client's trace context; empty when there is none that is trusted.
        receive: Brings the body.
        answer_whole: Sends an answer at once, where the server can.
        abort: Ends the connection at once, where the server can.
        started: When it came, by `time.perf_counter()`.
        route: Template of the route that answers, for logs and metrics.
        span: Our span, if the trace is recorded.
        claims: Who calls, once that is known.
        call: What the service is told, once it is asked.
        limit_headers: What the answer says of the client's rate limits, once the request is counted.
    """

    verb: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    request_id: str
    client_address: str
    secure: bool
    traceparent: str
    caller_traceparent: str
    receive: Receive
    answer_whole: AnswerWhole | None
    abort: Abort | None = None
    started: float = field(default_factory=time.perf_counter)
    route: str = ""
    span: Span | None = None
    claims: Claims | None = None
    call: Call | None = None
    limit_headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, scope: Scope, receive: Receive, proxies: TrustedProxies) -> "Request":
        """Reads what ASGI hands over."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            headers[name] = headers[name] + b"," + value if name in headers else value
        request_id = headers.get(b"x-request-id", b"")
        peer = normal_address(scope["client"][0]) if scope.get("client") else ""
        trusted = bool(proxies) and proxies.trusts(peer)
        told = trusted or (not proxies and _is_local(peer))
        caller_traceparent = _caller_traceparent(headers, trusted=told)
        extensions = scope.get("extensions", _NONE)
        return cls(
            verb=scope["method"],
            path=scope["raw_path"],
            query=scope["query_string"],
            headers=headers,
            request_id=request_id.decode() if _REQUEST_ID.fullmatch(request_id) else ids.request_id(),
            client_address=(
                proxies.client(peer, headers.get(b"x-forwarded-for"), headers.get(b"forwarded"))
                if trusted
                else peer
            ),
            secure=trusted and came_by_tls(headers.get(b"x-forwarded-proto"), headers.get(b"forwarded")),
            traceparent=traces.own(caller_traceparent),
            caller_traceparent=caller_traceparent,
            receive=receive,
            answer_whole=extensions.get(EXTENSION),
            abort=extensions.get(ABORT_EXTENSION),
        )

    def header(self, name: bytes) -> str:
        """Returns a header as text; empty when it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def in_api(self) -> bool:
        """Whether answers come in the envelope."""
        return self.path.startswith(b"/api/") or self.path == b"/api"

    def announced_body_bytes(self) -> int:
        """Returns the length that the client announces; 0 when it announces none.

        Raises:
            PayloadTooLarge: it is more than anything here takes.
        """
        length = self.headers.get(b"content-length", b"")
        announced = int(length) if length.isdigit() and len(length) < 20 else 0  # noqa: PLR2004 digits of 2**64
        if announced > BODY_BYTES_MAX:
            raise PayloadTooLarge
        return announced

    async def body(self) -> bytes:
        """Reads the body, never more of it than it may be.

        Raises:
            PayloadTooLarge: it is longer than 64 KiB.
            RequestTimeout: it did not come within half a minute.
            ClientGone: the client hung up.
        """
        if self.announced_body_bytes() == 0 and b"transfer-encoding" not in self.headers:
            return b""
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > BODY_BYTES_MAX:
                        raise PayloadTooLarge
                    chunks.append(chunk)
                    if not message.get("more_body"):
                        return b"".join(chunks)
        except TimeoutError as error:
            raise RequestTimeout from error

    async def gone(self) -> None:
        """Returns when the client has left; what it sends until then is thrown away."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def discard(self) -> None:
        """Throws away what comes of a refused body, some of it and for a moment.

        A connection that is closed with bytes unread is reset, and the client may never see
        the answer that tells it why.
        """
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS_MAX):
                while size < DISCARDED_BYTES_MAX:
                    message = await self.receive()
                    size += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return


def _caller_traceparent(headers: dict[bytes, bytes], *, trusted: bool) -> str:
    """Returns the client's trace context, if its word counts: it decides what is recorded, which costs."""
    traceparent = headers.get(b"traceparent")
    if traceparent is None or not trusted or not _TRACEPARENT.fullmatch(traceparent):
        return ""
    return traceparent.decode()


def _is_local(peer: str) -> bool:
    """Says whether a client is on this machine: where no proxy is named, only such a one is trusted."""
    return peer.startswith("127.") or peer == "::1"


class ClientGone(Exception):
    """The client hung up before its request was whole."""
