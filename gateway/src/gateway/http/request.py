"""A request, the checks that every request must pass, and reading its body within limits."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import field
from typing import Any, TypeAlias

from chassis.addresses import normal_address
from chassis.dataclass import dataclass
from chassis.grpc.call import Call
from chassis.http.refused_requests import EXTENSION as REFUSAL
from chassis.http.refused_requests import Refusal
from chassis.http.response_writer import EXTENSION as RESPONSE_WRITER
from chassis.http.response_writer import WriteResponse
from chassis.http.streamed_answers import ABORT_EXTENSION as ABORT
from chassis.http.streamed_answers import Abort
from chassis.identity.claims import Claims
from chassis.tracing import traces
from chassis.tracing.span import Span

from chassis import ids
from gateway.http.client_address import TrustedProxies
from gateway.http.forwarded import used_tls
from gateway.http.media_type import is_json
from gateway.http.problems import (
    BadRequest,
    HttpError,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from gateway.http.response import StreamSummary
from gateway.http.targets import BAD_HOST, NO_HOST, is_host
from gateway.http.traceparent import caller_traceparent, is_local

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

_NONE: dict[str, Any] = {}

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS_MAX = 30.0
DISCARDED_BYTES_MAX = 1024 * 1024
DISCARD_SECONDS_MAX = 0.5

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_VERSIONS = frozenset({"1.0", "1.1"})
_EXPECTED = re.compile(rb"100-continue(?:[ \t]*,[ \t]*100-continue)*", re.IGNORECASE)
_NOT_IMPLEMENTED = 501
_NO_ENCODING = frozenset({b"identity", b""})
_EXPECTATION_FAILED = 417


@dataclass(slots=True)
class Request:
    """One request.

    Attributes:
        method: HTTP method.
        path: The path, still percent-encoded.
        query: The query string, still percent-encoded.
        headers: By lower-case name; repeated ones joined by commas, those of cookies by semicolons.
        repeated_headers: The names of those that came more than once.
        request_id: The client's if it is well formed, or a new one.
        client_address: The client's IP address in its normal form (`chassis.addresses`).
        secure: Whether the client used TLS, as a trusted proxy reports.
        traceparent: Trace context of this request's span, in the client's trace or a new one.
        caller_traceparent: The client's trace context; empty if there is none that is trusted.
        receive: ASGI's function that receives the body.
        http_version: Such as `1.1`.
        extensions: ASGI's extensions, among them the server's refusal of a malformed request.
        expects_continue: Whether the client sends the body only after 100 (Continue).
        started: When it arrived, by `time.perf_counter()`.
        route: Template of the matched route, for logs and metrics.
        span: This request's span, if the trace is recorded.
        claims: The authenticated caller's claims, once known.
        call: The context of the gRPC call, once it is made.
        stream: The end and counts of the stream that the request opened, if it did.
        limit_headers: The `RateLimit` fields of the response, once the request is counted.
    """

    method: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    request_id: str
    client_address: str
    secure: bool
    traceparent: str
    caller_traceparent: str
    receive: Receive
    repeated_headers: frozenset[bytes] = frozenset()
    http_version: str = "1.1"
    extensions: Mapping[str, Any] = field(default_factory=dict)
    expects_continue: bool = False
    started: float = field(default_factory=time.perf_counter)
    route: str = ""
    span: Span | None = None
    claims: Claims | None = None
    call: Call | None = None
    stream: StreamSummary | None = None
    limit_headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, scope: Scope, receive: Receive, proxies: TrustedProxies) -> "Request":
        """Makes a request from ASGI's scope."""
        headers: dict[bytes, bytes] = {}
        repeated: frozenset[bytes] = frozenset()
        for name, value in scope["headers"]:
            if name in headers:
                headers[name] += (b"; " if name == b"cookie" else b",") + value
                repeated |= {name}
            else:
                headers[name] = value
        request_id = headers.get(b"x-request-id", b"")
        peer = normal_address(scope["client"][0]) if scope.get("client") else ""
        trusted = bool(proxies) and proxies.trusts(peer)
        callers = caller_traceparent(headers, trusted=trusted or (not proxies and is_local(peer)))
        expected = headers.get(b"expect")
        return cls(
            method=scope["method"],
            path=scope["raw_path"],
            query=scope["query_string"],
            headers=headers,
            request_id=request_id.decode() if is_request_id(request_id) else ids.request_id(),
            client_address=(
                proxies.client(peer, headers.get(b"x-forwarded-for"), headers.get(b"forwarded"))
                if trusted
                else peer
            ),
            secure=trusted and used_tls(headers.get(b"x-forwarded-proto"), headers.get(b"forwarded")),
            traceparent=traces.new_traceparent(callers),
            caller_traceparent=callers,
            receive=receive,
            repeated_headers=repeated,
            http_version=scope["http_version"],
            extensions=scope.get("extensions", _NONE),
            expects_continue=expected is not None and _has_body(headers),
        )

    def header(self, name: bytes) -> str:
        """Returns a header as text; empty if absent."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def write_response(self) -> WriteResponse | None:
        """Sends a complete response in one write, if the server can."""
        return self.extensions.get(RESPONSE_WRITER)

    @property
    def abort(self) -> Abort | None:
        """Ends the connection at once, if the server can."""
        return self.extensions.get(ABORT)

    @property
    def in_api(self) -> bool:
        """Whether the response has the envelope; it does if the path could not be read."""
        return not self.path or self.path.startswith(b"/api/") or self.path == b"/api"

    def check(self) -> None:
        """Checks what HTTP demands of every request.

        Raises:
            BadRequest: the server could not read it, its `Host` is wrong, or its `Expect` is unknown.
            RequestTimeout: its head did not arrive in time.
        """
        host = self.headers.get(b"host")
        # Nearly every request passes by these five checks.
        if (
            host is None
            or not is_host(host)
            or self.http_version != "1.1"
            or b"expect" in self.headers
            or REFUSAL in self.extensions
        ):
            self._check_details(host)

    def _check_details(self, host: bytes | None) -> None:
        refusal = self.extensions.get(REFUSAL)
        if refusal is not None:
            raise _refused(refusal)
        if self.http_version not in _VERSIONS:
            raise BadRequest("Send HTTP/1.1 or HTTP/1.0.")
        if host is None:
            if self.http_version != "1.0":
                raise BadRequest(NO_HOST)
        elif not is_host(host):
            raise BadRequest(BAD_HOST)
        expected = self.headers.get(b"expect")
        if expected is not None and self.http_version != "1.0" and not _EXPECTED.fullmatch(expected):
            raise BadRequest("Only 100-continue can be expected here.", _EXPECTATION_FAILED)

    def check_media_type(self) -> None:
        """Checks the type and the encodings of the body.

        Raises:
            BadRequest: the transfer encoding is more than `chunked`.
            UnsupportedMediaType: there is a body that is not JSON, or is compressed.
        """
        if not _has_body(self.headers):
            return
        if self.headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise BadRequest("The only Transfer-Encoding here is chunked.", _NOT_IMPLEMENTED)
        if not is_json(self.headers.get(b"content-type", b"")):
            raise UnsupportedMediaType
        if self.headers.get(b"content-encoding", b"identity").lower() not in _NO_ENCODING:
            raise UnsupportedMediaType(compressed=True)

    def announced_body_bytes(self, limit_bytes: int = BODY_BYTES_MAX) -> int:
        """Returns the announced length of the body; 0 if there is none.

        Raises:
            PayloadTooLarge: it is more than the limit.
        """
        length = self.headers.get(b"content-length", b"")
        announced = int(length) if length.isdigit() and len(length) < 20 else 0  # noqa: PLR2004 digits of 2**64
        if announced > limit_bytes:
            raise PayloadTooLarge(limit_bytes)
        return announced

    async def body(self, limit_bytes: int = BODY_BYTES_MAX) -> bytes:
        """Reads the body, within its limits.

        Raises:
            PayloadTooLarge: it is longer than the limit.
            RequestTimeout: it did not arrive within 30 s.
            BadRequest: it ended early, or its framing is malformed.
            ClientGone: the client disconnected.
        """
        if self.announced_body_bytes(limit_bytes) == 0 and b"transfer-encoding" not in self.headers:
            return b""
        self.expects_continue = False
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
                    if size > limit_bytes:
                        raise PayloadTooLarge(limit_bytes)
                    chunks.append(chunk)
                    if not message.get("more_body"):
                        break
        except TimeoutError as error:
            raise RequestTimeout from error
        refusal = self.extensions.get(REFUSAL)
        if refusal is not None:
            raise _refused(refusal)
        return b"".join(chunks)

    async def gone(self) -> None:
        """Returns when the client has disconnected; discards what it sends until then."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def discard(self) -> None:
        """Discards a refused body, up to 1 MiB and for up to half a second.

        Closing a connection with unread bytes resets it, and the client may lose the response.
        """
        if self.expects_continue:
            return
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS_MAX):
                while size < DISCARDED_BYTES_MAX:
                    message = await self.receive()
                    size += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return


def is_request_id(value: bytes) -> bool:
    """Returns whether a client's `X-Request-ID` is kept."""
    return _REQUEST_ID.fullmatch(value) is not None


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0").strip(b"0") != b"" or b"transfer-encoding" in headers


def _refused(refusal: Refusal) -> HttpError:
    """Returns the error for what the server found wrong."""
    if refusal.status == RequestTimeout.status:
        return RequestTimeout()
    return BadRequest(refusal.message, refusal.status)


class ClientGone(Exception):
    """The client disconnected before its request was complete."""
