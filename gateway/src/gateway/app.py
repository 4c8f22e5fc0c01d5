"""The ASGI app: finds the endpoint or page of a request, and sends the response with its common headers."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog
from chassis.errors import ServiceError, Unavailable
from chassis.tracing import traces

from gateway.access_log import AccessLog
from gateway.api.router import Match, Router
from gateway.api.routes import Route
from gateway.http.client_address import TrustedProxies
from gateway.http.cookies import ALWAYS_SECURE
from gateway.http.cors import Cors
from gateway.http.problem_page import failed_response
from gateway.http.problems import HttpError, MethodNotAllowed, RouteNotFound
from gateway.http.request import ClientGone, Receive, Request, Scope
from gateway.http.response import Header, Response, Send
from gateway.http.security_headers import security_headers
from gateway.http.targets import canonical_path, check_path
from gateway.limits.request_limits import RequestLimits
from gateway.pages import Pages
from gateway.repeats import Repeats

log = structlog.get_logger()

_SWITCHING = 101
_BODYLESS = frozenset({_SWITCHING, 204, 304})
_TOO_LARGE = 413
_CLIENT_GONE = 499
_CLOSE = (b"connection", b"close")


class RouteEndpoint(Protocol):
    """Answers the requests of one route."""

    @property
    def route(self) -> Route:
        """The route."""
        ...

    async def __call__(self, request: Request, path: Mapping[str, str]) -> Response:
        """Answers one request; errors are answers too.

        Args:
            request: The request.
            path: What the path holds for each variable.
        """
        ...


class GatewayApp:
    """Serves the routes from the protos and the gateway's own pages.

    Attributes:
        answers_refusals: That malformed requests are answered here too (`chassis.http.refused_requests`).
    """

    answers_refusals = True

    def __init__(
        self,
        endpoints: Iterable[RouteEndpoint],
        pages: Pages,
        *,
        limits: RequestLimits,
        proxies: TrustedProxies,
        cors: Cors,
        always_secure: bool,
        stopping: Callable[[], bool],
    ) -> None:
        self._router = Router(
            (endpoint.route.method, endpoint.route.segments, endpoint) for endpoint in endpoints
        )
        self._pages = pages
        self._limits = limits
        self._proxies = proxies
        self._cors = cors
        self._always_secure = always_secure
        self._stopping = stopping
        self._access_log = AccessLog()
        self._repeats = Repeats(self._headers, self._access_log, stopping)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        request = Request.of(scope, receive, self._proxies)
        status, response = _CLIENT_GONE, None
        self._access_log.begin()
        request.span = traces.serve(
            request.method, "SERVER", request.caller_traceparent, own=request.traceparent
        )
        try:
            response = await self._respond(request)
            status = response.status
            if status == _TOO_LARGE:
                await request.discard()
            await self._send(request, response, send)
            if response.read is not None:
                self._repeats.remember(request, response)
        except ClientGone:
            pass
        finally:
            if response is not None and response.stream is not None:
                await response.stream.close()
            self._access_log.write(request, status)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._route(request)
        except ServiceError as error:
            return failed_response(error, request, enveloped=request.in_api)
        except ClientGone:
            raise
        except asyncio.CancelledError:
            # The server cancels what still runs when its grace has ended.
            if not self._stopping():
                raise
            log.warning("request ended by the stop", request_id=request.request_id, route=request.route)
            return failed_response(Unavailable(), request, enveloped=request.in_api)
        except Exception:
            log.exception("request failed", request_id=request.request_id, route=request.route)
            return failed_response(ServiceError(), request, enveloped=request.in_api)

    async def _route(self, request: Request) -> Response:
        try:
            match = self._find(request)
        except HttpError:
            await self._limits.count(request, None)
            raise
        if match is None:
            return await self._page(request)
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = match.by_method.get(method)
        if endpoint is None:
            request.route = next(iter(match.by_method.values())).route.template
            await self._limits.count(request, None)
            allowed = _allowed(match.by_method)
            preflight = self._cors.preflight(request, allowed)
            if preflight is not None:
                return preflight
            request.announced_body_bytes()
            raise MethodNotAllowed(allowed)
        request.route = endpoint.route.template
        return await endpoint(request, match.values)

    def _find(self, request: Request) -> Match[RouteEndpoint] | None:
        """Returns where a request leads; None when no route has its path.

        Raises:
            HttpError: it is not a request of HTTP.
        """
        request.check()
        request.path = canonical_path(request.path)
        match = self._router.find(request.path)
        if match is None or match.values:
            check_path(request.path)
        return match

    async def _page(self, request: Request) -> Response:
        page = self._pages.find(request.path)
        if page is None or page.limited:
            await self._limits.count(request, None)
        if page is None:
            request.announced_body_bytes()
            raise RouteNotFound
        request.route = request.path.decode("latin-1")
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET, HEAD")
        return await page.serve(request)

    def _headers(self, request: Request, response: Response) -> list[Header]:
        """Returns the headers of a response, but those that say how it is sent."""
        secure = self._always_secure or request.secure
        headers = [
            *response.headers,
            *request.limit_headers,
            (b"x-request-id", request.request_id.encode()),
            (b"cache-control", response.cache_control),
            *security_headers(response, secure=secure),
            *self._cors.headers(request),
        ]
        if response.cookies:
            headers.extend(
                (
                    b"set-cookie",
                    cookie + b"; Secure" if secure or cookie.startswith(ALWAYS_SECURE) else cookie,
                )
                for cookie in response.cookies
            )
        if response.status not in _BODYLESS:
            headers.append((b"content-type", response.content_type))
        return headers

    async def _send(self, request: Request, response: Response, send: Send) -> None:
        headers = self._headers(request, response)
        closes = self._stopping() or request.expects_continue
        if closes and _CLOSE not in headers and response.status != _SWITCHING:
            # The client reconnects, to a gateway that stays up. One that waits for 100 (Continue) may send
            # its body nevertheless, which would be read as the next request.
            headers.append(_CLOSE)
        if response.stream is not None:
            await response.stream.deliver(response.status, headers, send)
            return
        if response.status not in _BODYLESS and response.sized:
            headers.append((b"content-length", str(len(response.body)).encode()))
        body = b"" if request.method == "HEAD" or response.status in _BODYLESS else response.body
        write_response = request.write_response
        if write_response is not None and write_response(response.status, headers, body):
            return
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _allowed(by_method: Iterable[str]) -> str:
    methods = set(by_method)
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
