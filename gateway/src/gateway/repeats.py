"""Reads from the near cache that are repeated: answered from what their first answer left.

A client that polls sends the same head each time. What follows from the head alone is not found out again:
the route, the caller behind the token, the key in the near cache, the headers of the response. What may have
changed is checked each time, by the parts that check every request: the token, revocations and how fresh
they are, authorization, rate limits, the near cache. Each repeat has a request id, a trace, a log line and
metrics like any other request. When it cannot pass a check at once, it is read, and refused if it must be,
like any other (`chassis.http.repeated_heads`).
"""

import contextvars
import time
from collections.abc import Callable
from typing import NoReturn
from weakref import ReferenceType, ref

from chassis.dataclass import dataclass
from chassis.errors import ServiceError
from chassis.grpc.authorization import Authorize
from chassis.http.repeated_heads import EXTENSION, Remember
from chassis.http.response_writer import header_lines
from chassis.identity.claims import Claims
from chassis.tracing import traces

from chassis import ids
from gateway.access_log import AccessLog
from gateway.api.response_encoder import EncodedResponse
from gateway.dependencies import Dependencies
from gateway.http.envelope import success
from gateway.http.request import ClientGone, Request, is_request_id
from gateway.http.response import Header, Response
from gateway.limits.rate_limiter import Limit

_OK = 200
_REQUEST_ID = b"x-request-id"
_READ = (b"if-none-match", b"origin")
_NOT_REPEATED = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"traceparent"})


@dataclass(frozen=True, slots=True)
class CachedRead:
    """Where a response came from, and what the request had to pass.

    Attributes:
        dependencies: Those of all endpoints.
        token_digest: What the caller's access token is cached by.
        claims: The caller's.
        authorize: Authorizes the caller.
        limit: The route's own limit.
        key: Of the response in the near cache.
        finish: Makes the response from what the near cache holds.
        enveloped: Whether the body has the envelope.
    """

    dependencies: Dependencies
    token_digest: bytes
    claims: Claims
    authorize: Authorize
    limit: Limit | None
    key: tuple[object, ...]
    finish: Callable[[Request, EncodedResponse], Response]
    enveloped: bool

    def find(self) -> EncodedResponse | None:
        """Returns the response if the caller may still have it and the near cache does; counts nothing."""
        try:
            if self.dependencies.authenticator.recall(self.token_digest) is not self.claims:
                return None
            self.authorize(self.claims)
        except ServiceError:
            return None
        return self.dependencies.cache.peek(self.key)

    def count(self, request: Request) -> bool:
        """Counts a request that is answered by what was found; returns False, uncounted, if it must wait."""
        if not self.dependencies.limits.count_at_once(request, self.claims, self.limit):
            return False
        self.dependencies.cache.get(self.key)
        return True


class Repeats:
    """Leaves an answer for the next request with the same head."""

    def __init__(
        self,
        headers: Callable[[Request, Response], list[Header]],
        access_log: AccessLog,
        stopping: Callable[[], bool],
    ) -> None:
        self.headers = headers
        self.access_log = access_log
        self.stopping = stopping

    def remember(self, request: Request, response: Response) -> None:
        """Leaves an answer, if the response came from the near cache and nothing but the head led to it."""
        read = response.read
        remember: Remember | None = request.extensions.get(EXTENSION)
        if remember is None or not isinstance(read, CachedRead) or response.status != _OK:
            return
        if _NOT_REPEATED.isdisjoint(request.headers):
            remember(_Repeat(self, read, request))


class _Repeat:
    """Answers the requests of one head."""

    __slots__ = ("_after", "_app", "_before", "_encoded", "_read", "_request")

    def __init__(self, app: Repeats, read: CachedRead, request: Request) -> None:
        self._app = app
        self._read = read
        # Kept without the token, and without the connection that it came by.
        self._request = Request(
            method=request.method,
            path=request.path,
            query=request.query,
            headers={name: request.headers[name] for name in _READ if name in request.headers},
            request_id="",
            client_address=request.client_address,
            secure=request.secure,
            traceparent="",
            caller_traceparent="",
            receive=_nothing,
            route=request.route,
            claims=request.claims,
        )
        # Weak: what the near cache drops, such as an erased user's data, is kept nowhere else.
        self._encoded: ReferenceType[EncodedResponse] | None = None
        self._before = self._after = b""

    def __call__(self, given_id: bytes) -> tuple[bytes, bytes] | None:
        """Answers a request, as `chassis.http.repeated_heads.Answer` says."""
        request, read = self._request, self._read
        request.started = time.perf_counter()
        if self._app.stopping() or (given_id and not is_request_id(given_id)):
            return None
        encoded = read.find()
        if encoded is None or not self._has_headers_of(encoded) or not read.count(request):
            return None
        request.request_id = given_id.decode() if given_id else ids.request_id()
        request.traceparent = traces.new_traceparent()
        body = encoded.data
        if read.enveloped:
            body = success(body, request_id=request.request_id, pagination=encoded.pagination)
        head = b"%b%bx-request-id: %b\r\n%bcontent-length: %d\r\n" % (
            self._before,
            header_lines(request.limit_headers),
            request.request_id.encode(),
            self._after,
            len(body),
        )
        self._app.access_log.begin()
        if traces.is_recorded(request.traceparent):
            # The span becomes the current one of its context, which here is the connection's.
            contextvars.Context().run(self._record)
        else:
            self._app.access_log.write(request, _OK)
        return head, body

    def _record(self) -> None:
        request = self._request
        request.span = traces.serve(request.method, "SERVER", "", own=request.traceparent)
        self._app.access_log.write(request, _OK)
        request.span = None

    def _has_headers_of(self, encoded: EncodedResponse) -> bool:
        """Makes the headers, if the near cache has another response; returns False if it is not as plain."""
        if self._encoded is not None and self._encoded() is encoded:
            return True
        request = self._request
        request.limit_headers = []
        response = self._read.finish(request, encoded)
        if response.status != _OK or response.cookies:
            return False
        headers = self._app.headers(request, response)
        at = [name for name, _ in headers].index(_REQUEST_ID)
        self._before, self._after = header_lines(headers[:at]), header_lines(headers[at + 1 :])
        self._encoded = ref(encoded)
        return True


async def _nothing() -> NoReturn:
    raise ClientGone
