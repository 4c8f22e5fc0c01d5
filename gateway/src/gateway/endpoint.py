"""One route at work: limit, admit, look near, read, call, tell."""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any

from chassis.errors import Forbidden, ServiceError, Unavailable
from chassis.grpc import committed
from chassis.grpc.access import report_refused_key
from chassis.grpc.call import Call, enter
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from google.protobuf.message_factory import GetMessageClass

from gateway.access import compile_admission, sender
from gateway.api.fields import HTTP_BODY
from gateway.api.request_reader import compile_reader
from gateway.api.response_encoder import EncodedResponse, compile_response_encoder
from gateway.api.routes import Route
from gateway.http.conditional import is_unchanged
from gateway.http.envelope import success
from gateway.http.idempotency import REPLAYED, idempotency_key
from gateway.http.problems import answer_to
from gateway.http.request import Request
from gateway.http.response import Response
from gateway.limits.request_limits import counted_for, route_limit
from gateway.parts import Parts
from gateway.streams import events
from gateway.streams.bounds import bounds_of
from gateway.streams.event_stream import EventStream
from gateway.upstream.overload_gate import OverloadGate

_OK = 200
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_REVALIDATE = b"private, no-cache"


class Endpoint:
    """Answers the requests of one route."""

    def __init__(self, route: Route, parts: Parts) -> None:
        method, options = route.policy.descriptor, route.policy.options
        service = method.containing_service.full_name
        self.route = route
        self._parts = parts
        self._enveloped = route.enveloped
        self._limit = route_limit(method.name, options)
        self._admit = compile_admission(route.policy, parts.authenticator, self._count)
        self._read = compile_reader(route)
        self._parse = GetMessageClass(method.output_type).FromString
        self._encode = compile_response_encoder(route)
        self._status = options.success_status or _OK
        self._near_seconds = options.cache.near.ToNanoseconds() / 1e9
        self._tags = tuple(options.cache.tags)
        shared = options.cache.shared.seconds
        self._cache_control = f"public, max-age={shared}".encode() if shared else b"no-store"
        self._breaker = parts.upstreams.breaker(service)
        self._overload_gate = OverloadGate(method.name)
        if route.streaming:
            self._bounds = bounds_of(options)
            self._event = events.compile_event(method.output_type)
        open_call = parts.upstreams.stream if route.streaming else parts.upstreams.unary
        self._call = open_call(route.policy.path, service)
        self._takes_key = route.method == "POST"
        self._deadline_seconds = route.policy.deadline_seconds or parts.deadline_seconds

    async def __call__(self, request: Request, path: Mapping[str, str]) -> Response:
        """Answers one request; errors are answers too.

        Args:
            request: The request.
            path: What the path holds for each variable.
        """
        try:
            answer = await self._answer(request, path)
        except ServiceError as error:
            answer = answer_to(error, request_id=request.request_id, enveloped=self._enveloped)
        if request.call is not None and request.call.replayed:
            answer.headers.append(REPLAYED)
        return answer

    async def _count(self, request: Request, claims: Claims | None) -> None:
        """Counts the request against the limits, before anything is done for it."""
        await self._parts.limits.count(request, claims, self._limit)
        request.announced_body_bytes()

    async def _answer(self, request: Request, path: Mapping[str, str]) -> Response:
        token, claims = await self._admit(request)
        near = claims is not None and self._near_seconds and self._parts.authenticator.feed.fresh
        if near and claims is not None:
            encoded = self._parts.cache.get(self._key(request, claims))
            if encoded is not None:
                return self._finish(request, encoded)
        # All that refuses a request whatever its body holds comes before the body is asked for.
        self._overload_gate.check()
        if self.route.reads_body:
            request.check_media_type()
        body = await request.body()
        try:
            message = self._read(request, path, body)
        except Forbidden:
            if claims is not None:
                await report_refused_key(
                    self._parts.authenticator, self.route.policy, claims, sender(request)
                )
            raise
        enter(self._handed_on(request, token, claims))
        if self.route.streaming:
            return await self._stream(request, message, claims)
        if near and claims is not None:
            return self._finish(request, await self._fetch(request, message, claims))
        response = await self._ask(message)
        if self.route.policy.descriptor.output_type.full_name == HTTP_BODY:
            return self._page(response)
        return self._finish(request, self._encode(response))

    async def _fetch(self, request: Request, message: Any, claims: Claims) -> EncodedResponse:
        """Asks the service and keeps what it encoded, unless an event made it stale meanwhile."""
        cache = self._parts.cache
        fetch = cache.begin(tuple(_resolve(tag, message, claims) for tag in self._tags))
        try:
            encoded = self._encode(await self._ask(message))
        except BaseException:
            cache.forget(fetch)
            raise
        cache.keep(fetch, self._key(request, claims), encoded, seconds=self._near_seconds)
        return encoded

    async def _ask(self, message: Any) -> Any:
        """Calls the service; what the call committed is taken in before anybody is answered."""
        noted = committed.collect()
        raw = message.SerializeToString()
        try:
            return self._parse(await self._breaker.call(lambda: self._call(raw)))
        except Unavailable as error:
            self._overload_gate.record(error)
            raise
        finally:
            for each in noted:
                self._parts.on_event(each.event)

    def _key(self, request: Request, claims: Claims) -> tuple[object, ...]:
        return (
            self.route.policy.path,
            claims.user_id.int,
            claims.role,
            claims.scopes,
            request.path,
            request.query,
        )

    def _handed_on(self, request: Request, token: str, claims: Claims | None) -> Call:
        caller = Caller(
            user_id=claims.user_id if claims else None,
            client_address=request.client_address,
            user_agent=request.header(b"user-agent"),
            request_id=request.request_id,
        )
        call = Call(caller=caller, bearer_token=token, traceparent=request.traceparent)
        if not self.route.streaming:
            call.deadline = self._parts.now() + self._deadline_seconds
        if self._takes_key:
            call.idempotency_key = idempotency_key(request)
        request.call = call
        return call

    def _finish(self, request: Request, encoded: EncodedResponse) -> Response:
        headers = list(encoded.headers)
        if encoded.status is not None:
            answer = answer_to(
                Unavailable(), request_id=request.request_id, enveloped=self._enveloped, data=encoded.data
            )
            answer.status = encoded.status
            return answer
        if self._status == _NO_CONTENT:
            return Response(_NO_CONTENT, headers=headers, cookies=encoded.cookies)
        cache_control = _REVALIDATE if headers else self._cache_control
        if is_unchanged(request, encoded.headers):
            return Response(_NOT_MODIFIED, headers=headers, cache_control=cache_control)
        body = encoded.data
        if self._enveloped:
            body = success(encoded.data, request_id=request.request_id, pagination=encoded.pagination)
        return Response(
            self._status, body, headers=headers, cache_control=cache_control, cookies=encoded.cookies
        )

    def _page(self, response: Any) -> Response:
        content_type = response.content_type.encode("latin-1")
        return Response(
            self._status, response.data, content_type, cache_control=self._cache_control, page=True
        )

    async def _stream(self, request: Request, message: Any, claims: Claims | None) -> Response:
        answer = Response(
            _OK, content_type=events.CONTENT_TYPE, headers=list(events.HEADERS), cache_control=b"no-cache"
        )
        if request.method == "HEAD":
            answer.sized = False
            return answer
        holder = counted_for(request, claims)
        place = self._parts.streams.open(self.route.policy.descriptor.name, holder, self._bounds)
        token_seconds = claims.expires_at - time.time() if claims else math.inf
        call = self._call(message.SerializeToString())
        stream = EventStream(call, self._event, place, self._bounds, token_seconds)
        gone = asyncio.ensure_future(request.gone())
        try:
            await stream.begin(gone)
        except BaseException:
            await stream.close()
            raise
        finally:
            gone.cancel()
        answer.stream = stream
        return answer


def _resolve(tag: str, message: Any, claims: Claims) -> str:
    """Returns a cache tag with its variable filled in: `user:{caller}`, `user:{user_id}`."""
    kind, _, variable = tag.partition(":")
    name = variable.strip("{}")
    return f"{kind}:{claims.user_id if name == 'caller' else getattr(message, name)}"
