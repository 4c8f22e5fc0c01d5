"""One route with one response: cache lookup, call, encode, after what every endpoint does first."""

from collections.abc import Mapping
from typing import Any

from chassis.errors import ServiceError, Unavailable
from chassis.grpc import committed
from chassis.grpc.authorization import compile_authorization
from chassis.grpc.stream_policy import HTTP_BODY
from chassis.identity.api_key import is_api_key
from chassis.identity.claims import Claims
from chassis.identity.verifier import token_digest
from google.protobuf.message_factory import GetMessageClass
from vestibule.api.v1.options_pb2 import Cache, MethodPolicy

from gateway.api.response_encoder import EncodedResponse, compile_response_encoder
from gateway.api.routes import Route
from gateway.dependencies import Dependencies
from gateway.http.conditional import etag_of, is_unchanged
from gateway.http.cookies import set_cookie
from gateway.http.envelope import success
from gateway.http.idempotency import REPLAYED, idempotency_key
from gateway.http.problem_page import failed_response
from gateway.http.problems import error_response
from gateway.http.request import Request
from gateway.http.response import Header, Response
from gateway.http.security_headers import PAGE
from gateway.repeats import CachedRead
from gateway.request_steps import RequestSteps

_OK = 200
_CREATED = 201
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_NO_STORE = b"no-store"
_REVALIDATE = b"private, no-cache"


class Endpoint:
    """Handles the requests of one route."""

    def __init__(self, route: Route, dependencies: Dependencies) -> None:
        method, options = route.policy.descriptor, route.policy.options
        service = method.containing_service.full_name
        self.route = route
        self._dependencies = dependencies
        self._enveloped = route.enveloped
        self._steps = RequestSteps(route, dependencies)
        self._authorize = compile_authorization(route.policy)
        self._parse = GetMessageClass(method.output_type).FromString
        self._encode = compile_response_encoder(route)
        self._status = options.success_status or _OK
        self._cache_seconds = options.cache.near.ToNanoseconds() / 1e9
        self._tags = tuple(options.cache.tags)
        self._dropped_cookies = _dropped_cookies(options)
        self._cache_control = _cache_control(options.cache)
        self._breaker = dependencies.upstreams.breaker(service)
        self._call = dependencies.upstreams.unary(route.policy.path, service)
        self._is_post = route.method == "POST"
        self._deadline_seconds = route.policy.deadline_seconds or dependencies.deadline_seconds

    async def __call__(self, request: Request, path: Mapping[str, str]) -> Response:
        """Handles one request; errors become responses.

        Args:
            request: The request.
            path: The values of the path's variables.
        """
        try:
            response = await self._respond(request, path)
        except ServiceError as error:
            response = failed_response(error, request, enveloped=self._enveloped)
        if request.call is not None and request.call.replayed:
            response.headers.append(REPLAYED)
        return response

    async def _respond(self, request: Request, path: Mapping[str, str]) -> Response:
        token, claims = await self._steps.admit(request)
        cacheable = claims is not None and self._cache_seconds and self._dependencies.authenticator.feed.fresh
        if cacheable and claims is not None:
            key = self._key(request, claims)
            encoded = self._dependencies.cache.get(key)
            if encoded is not None:
                response = self._finish(request, encoded)
                response.read = self._cached_read(token, claims, key)
                return response
        message = await self._steps.read(request, path, claims)
        call = self._steps.enter_call(request, token, claims)
        call.deadline = self._dependencies.now() + self._deadline_seconds
        if self._is_post:
            # A read runs again whatever its key, but a malformed one is refused on every POST.
            call.idempotency_key = idempotency_key(request)
        if cacheable and claims is not None:
            return self._finish(request, await self._fetch(request, message, claims))
        response = await self._call_service(request, message)
        if self.route.policy.descriptor.output_type.full_name == HTTP_BODY:
            return self._page(request, response)
        return self._finish(request, self._encode(response))

    async def _fetch(self, request: Request, message: Any, claims: Claims) -> EncodedResponse:
        """Calls the service and caches the response, unless an event invalidates it meanwhile."""
        cache = self._dependencies.cache
        fetch = cache.begin(tuple(_resolve(tag, message, claims) for tag in self._tags))
        try:
            encoded = self._encode(await self._call_service(request, message))
        except BaseException:
            cache.cancel(fetch)
            raise
        cache.put(fetch, self._key(request, claims), encoded, seconds=self._cache_seconds)
        return encoded

    async def _call_service(self, request: Request, message: Any) -> Any:
        """Calls the service; applies the events that the call committed before the response is sent."""
        await self._steps.load_shedder.begin(request.client_address, request.gone)
        noted = committed.collect()
        raw = message.SerializeToString()
        try:
            return self._parse(await self._breaker.call(lambda: self._call(raw)))
        except Unavailable as error:
            self._steps.load_shedder.record(error, request.client_address)
            raise
        finally:
            for each in noted:
                self._dependencies.on_event(each.event)

    def _key(self, request: Request, claims: Claims) -> tuple[object, ...]:
        return (
            self.route.policy.path,
            claims.user_id.int,
            claims.role,
            claims.scopes,
            request.path,
            request.query,
        )

    def _cached_read(self, token: str, claims: Claims, key: tuple[object, ...]) -> CachedRead | None:
        """Returns what a repeat of a request is checked by; None for a caller with an API key."""
        if is_api_key(token):
            return None
        return CachedRead(
            dependencies=self._dependencies,
            token_digest=token_digest(token),
            claims=claims,
            authorize=self._authorize,
            limit=self._steps.limit,
            key=key,
            finish=self._finish,
            enveloped=self._enveloped,
        )

    def _finish(self, request: Request, encoded: EncodedResponse) -> Response:
        headers, cookies = list(encoded.headers), encoded.cookies + self._dropped_cookies
        if encoded.status is not None:
            response = error_response(
                Unavailable(), request_id=request.request_id, enveloped=self._enveloped, data=encoded.data
            )
            response.status = encoded.status
            return response
        if self._status == _NO_CONTENT:
            return Response(_NO_CONTENT, headers=headers, cookies=cookies)
        cache_control = _REVALIDATE if headers else self._cache_control
        if is_unchanged(request, encoded.headers):
            return Response(_NOT_MODIFIED, headers=headers, cache_control=cache_control)
        body = encoded.data
        if self._enveloped:
            body = success(encoded.data, request_id=request.request_id, pagination=encoded.pagination)
        status = _CREATED if encoded.created else self._status
        return Response(status, body, headers=headers, cache_control=cache_control, cookies=cookies)

    def _page(self, request: Request, response: Any) -> Response:
        headers: list[Header] = []
        if self._cache_control != _NO_STORE:
            headers.append((b"etag", etag_of(response.data)))
            if is_unchanged(request, tuple(headers)):
                # Browsers take the headers of this response for the page that they have.
                return Response(
                    _NOT_MODIFIED, headers=headers, cache_control=self._cache_control, content_policy=PAGE
                )
        content_type = response.content_type.encode("latin-1")
        return Response(
            self._status,
            response.data,
            content_type,
            headers=headers,
            cache_control=self._cache_control,
            content_policy=PAGE,
        )


def _cache_control(cache: Cache) -> bytes:
    if not cache.HasField("shared"):
        return _NO_STORE
    return f"public, max-age={cache.shared.seconds}".encode() if cache.shared.seconds else b"no-cache"


def _dropped_cookies(policy: MethodPolicy) -> tuple[bytes, ...]:
    if not policy.HasField("drops_cookie"):
        return ()
    return (set_cookie(policy.drops_cookie.name, "", path=policy.drops_cookie.path, max_age_seconds=0),)


def _resolve(tag: str, message: Any, claims: Claims) -> str:
    """Returns a cache tag with its variable replaced: `user:{caller}`, `user:{user_id}`."""
    kind, _, variable = tag.partition(":")
    name = variable.strip("{}")
    return f"{kind}:{claims.user_id if name == 'caller' else getattr(message, name)}"
