"""The endpoints of methods that stream: events or content from the service, or a WebSocket."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from chassis.errors import Forbidden, ServiceError, Unavailable
from chassis.grpc.authorization import compile_authorization, compile_request_authorization
from chassis.grpc.stream_policy import binary_field
from chassis.identity.claims import Claims
from vestibule.api.v1 import options_pb2

from gateway.admission import sender
from gateway.api.routes import Route
from gateway.dependencies import Dependencies
from gateway.http.idempotency import check_no_idempotency_key
from gateway.http.problems import UnsupportedMediaType, error_response
from gateway.http.request import Request
from gateway.http.response import Header, Response
from gateway.http.security_headers import PAGE
from gateway.http.websocket_handshake import accepting_headers, check_handshake, move_offered_token
from gateway.limits.request_limits import counted_for
from gateway.request_steps import RequestSteps
from gateway.streams import framing
from gateway.streams.binary_frames import BinaryRequests
from gateway.streams.bounds import bounds_of
from gateway.streams.content_stream import ContentStream
from gateway.streams.ends import CLIENT_GONE
from gateway.streams.event_stream import EventStream
from gateway.streams.messages import compile_event, compile_frame
from gateway.streams.open_stream import Holder, OpenStream
from gateway.streams.renewals import Renew
from gateway.streams.service_messages import ServiceMessages
from gateway.streams.two_way_stream import FrameCodec, TwoWayStream

_OK = 200
_SWITCHING_PROTOCOLS = 101

UPSTREAM_GRACE_SECONDS = 5.0
"""How much longer than the stream its call may last: the stream is ended here, with its reason."""


class _StreamOpener:
    """Opens streams of one route in the registry."""

    def __init__(self, route: Route, dependencies: Dependencies) -> None:
        self.bounds = bounds_of(route.policy)
        self._method = route.policy.descriptor.name
        self._registry = dependencies.streams
        self._authorize = (
            None if route.policy.access == options_pb2.ACCESS_PUBLIC else compile_authorization(route.policy)
        )

    async def open(self, request: Request, token: str, claims: Claims | None) -> OpenStream:
        """Opens a stream for the client of the request."""
        client = counted_for(request, claims)
        holder = Holder(self._method, client, sender(request), token, claims, self._authorize)
        stream = await self._registry.open(holder, self.bounds)
        request.stream = stream.summary
        return stream

    def renew(self, stream: OpenStream, token: str, claims: Claims) -> None:
        """Has a stream go on by another token.

        Raises:
            Forbidden: it is another user's, or may not call the method.
        """
        before = stream.holder.claims
        if before is None or claims.user_id != before.user_id:
            raise Forbidden
        if (claims.session_id is None) != (before.session_id is None):
            raise Forbidden
        if self._authorize is not None:
            self._authorize(claims)
        self._registry.renew(stream, token, claims)


class _ServiceStreamEndpoint(ABC):
    """Answers requests whose response streams."""

    def __init__(self, route: Route, dependencies: Dependencies) -> None:
        self.route = route
        self._steps = RequestSteps(route, dependencies)
        self._opener = _StreamOpener(route, dependencies)
        method = route.policy.descriptor
        self._call = dependencies.upstreams.stream(route.policy.path, method.containing_service.full_name)

    async def __call__(self, request: Request, path: Mapping[str, str]) -> Response:
        """Answers one request; errors are answers too."""
        try:
            token, claims = await self._steps.admit(request)
            check_no_idempotency_key(request)
            message = await self._steps.read(request, path, claims)
            return await self._answer(request, token, claims, message)
        except ServiceError as error:
            return error_response(error, request_id=request.request_id, enveloped=self.route.enveloped)

    @abstractmethod
    async def _answer(self, request: Request, token: str, claims: Claims | None, message: Any) -> Response:
        """Answers one request that is admitted and read."""

    async def _open(
        self, request: Request, token: str, claims: Claims | None, message: Any
    ) -> ServiceMessages:
        """Opens a stream and its call to the service, which its messages' `close` ends."""
        stream = await self._opener.open(request, token, claims)
        self._steps.enter_call(request, token, claims)
        seconds_max = self._opener.bounds.lifetime_seconds + UPSTREAM_GRACE_SECONDS
        return ServiceMessages(self._call(message.SerializeToString(), timeout=seconds_max), stream)


class EventStreamEndpoint(_ServiceStreamEndpoint):
    """Answers by Server-Sent Events or JSON lines."""

    def __init__(self, route: Route, dependencies: Dependencies) -> None:
        super().__init__(route, dependencies)
        self._event = compile_event(route.policy.descriptor.output_type)

    async def _answer(self, request: Request, token: str, claims: Claims | None, message: Any) -> Response:
        form = framing.framing_for(request.header(b"accept"))
        response = Response(_OK, content_type=form.content_type)
        if request.method == "HEAD":
            response.sized = False
            response.headers = _headers(self._opener.bounds.lifetime_seconds, *framing.HEADERS)
            return response
        messages = await self._open(request, token, claims, message)
        response.headers = _headers(messages.stream.timer.seconds_left, *framing.HEADERS)
        response.stream = events = EventStream(request, messages, self._event, form)
        try:
            await events.begin()
        except BaseException:
            await events.close()
            raise
        return response


class ContentEndpoint(_ServiceStreamEndpoint):
    """Answers by one body, which is sent while the service makes it."""

    async def _answer(self, request: Request, token: str, claims: Claims | None, message: Any) -> Response:
        messages = await self._open(request, token, claims, message)
        content = ContentStream(request, messages)
        try:
            content_type = await content.begin()
        except BaseException:
            await content.close()
            raise
        headers = _headers(messages.stream.timer.seconds_left, *framing.HEADERS)
        policy = b"" if self.route.enveloped else PAGE
        response = Response(_OK, b"", content_type, headers, content_policy=policy, sized=False)
        if request.method == "HEAD":
            await content.close()
        else:
            response.stream = content
        return response


class WebSocketEndpoint:
    """Opens WebSockets to methods whose requests stream."""

    def __init__(self, route: Route, dependencies: Dependencies) -> None:
        self.route = route
        self._dependencies = dependencies
        self._steps = RequestSteps(route, dependencies)
        self._opener = _StreamOpener(route, dependencies)
        method = route.policy.descriptor
        service = method.containing_service.full_name
        self._frame = compile_frame(method.output_type)
        self._binary = binary_field(method.input_type)
        # Who may send a field is decided for each frame: the client may go on by another token.
        self._repeats = compile_request_authorization(route.policy) is None
        self._method = dependencies.upstreams.channel(service).duplex(route.policy.path)
        self._breaker = dependencies.upstreams.breaker(service)

    async def __call__(self, request: Request, path: Mapping[str, str]) -> Response:
        """Answers one handshake; errors are answers by HTTP."""
        try:
            return await self._answer(request, path)
        except ServiceError as error:
            return error_response(error, request_id=request.request_id, enveloped=self.route.enveloped)

    async def _answer(self, request: Request, path: Mapping[str, str]) -> Response:
        move_offered_token(request)
        try:
            check_handshake(request, self._dependencies.origins)
        except ServiceError:
            await self._steps.count(request, None)
            raise
        token, claims = await self._steps.admit(request)
        await self._steps.check_handshake(request, path)
        await self._steps.load_shedder.begin(request.client_address, request.gone)
        stream = await self._opener.open(request, token, claims)
        two_way: TwoWayStream | None = None
        try:
            self._steps.enter_call(request, token, claims)
            seconds_max = self._opener.bounds.lifetime_seconds + UPSTREAM_GRACE_SECONDS
            call = self._method.open(limit_seconds=seconds_max)
            renew = self._renewal(request, stream)
            opened = two_way = TwoWayStream(request, call, self._codec(request, path), stream, renew)
            await self._breaker.call(lambda: opened.begin(self._dependencies.deadline_seconds))
        except BaseException as error:
            if isinstance(error, Unavailable):
                self._steps.load_shedder.record(error, request.client_address)
            if two_way is not None:
                await two_way.close()
            else:
                stream.leave(CLIENT_GONE)
            raise
        headers = _headers(stream.timer.seconds_left, *accepting_headers(request))
        return Response(_SWITCHING_PROTOCOLS, headers=headers, stream=two_way)

    def _codec(self, request: Request, path: Mapping[str, str]) -> FrameCodec:
        async def read(values: dict[str, Any] | None, data: bytes | None) -> bytes:
            if data is not None and self._binary is None:
                raise UnsupportedMediaType
            message = await self._steps.read_frame(request, path, values, data)
            raw: bytes = message.SerializeToString()
            if data and requests is not None:
                requests.learn(message)
            return raw

        requests = BinaryRequests(self._binary) if self._binary is not None and self._repeats else None
        return FrameCodec(read, _read_all if requests is None else requests.write, self._frame)

    def _renewal(self, request: Request, stream: OpenStream) -> Renew | None:
        if stream.holder.claims is None:
            return None

        async def renew(token: str) -> None:
            # For the stream's user, before a token of unknown origin costs a verification or a question.
            await self._steps.count(request, stream.holder.claims)
            claims = await self._dependencies.authenticator.authenticate(token, sender(request))
            self._opener.renew(stream, token, claims)
            request.claims = claims

        return renew


def _read_all(data: bytes) -> None:
    """Returns nothing: every frame is read in full."""
    del data


def _headers(seconds: float, *further: Header) -> list[Header]:
    """Returns the headers of a stream, among them how long it may last."""
    return [(b"stream-lifetime", str(math.ceil(seconds)).encode()), *further]
