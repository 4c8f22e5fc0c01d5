"""What every endpoint does with a request before its call: limit, authenticate, authorize, decode."""

from collections.abc import Mapping
from typing import Any

from chassis.errors import Forbidden, Invalid
from chassis.grpc.admission import report_refused_key
from chassis.grpc.call import Call, enter
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims

from gateway.admission import compile_admission, sender
from gateway.api.request_reader import compile_message_reader, compile_reader
from gateway.api.routes import Route
from gateway.dependencies import Dependencies
from gateway.http.request import Request
from gateway.limits.request_limits import route_limit
from gateway.upstream.load_shedder import LoadShedder


class RequestSteps:
    """The steps that requests of one route go through.

    Attributes:
        route: The route.
        limit: The route's own rate limit.
        load_shedder: Refuses calls while the service is overloaded.
    """

    def __init__(self, route: Route, dependencies: Dependencies) -> None:
        self.route = route
        self.load_shedder = LoadShedder(route.policy.descriptor.name)
        self._dependencies = dependencies
        self.limit = route_limit(route.policy.descriptor.name, route.policy.options)
        self.admit = compile_admission(route.policy, dependencies.authenticator, self.count)
        self._read = compile_reader(route)
        self._read_message = compile_message_reader(route)

    async def count(self, request: Request, claims: Claims | None) -> None:
        """Counts the request against the limits, before anything is done for it."""
        await self._dependencies.limits.count(request, claims, self.limit)
        request.announced_body_bytes(self.route.body_bytes_max)

    async def read(self, request: Request, path: Mapping[str, str], claims: Claims | None) -> Any:
        """Returns the message that a request and its body make."""
        # All that refuses a request whatever its body holds comes before the body is asked for.
        self.load_shedder.check(request.client_address)
        if self.route.reads_body:
            request.check_media_type()
        body = await request.body(self.route.body_bytes_max)
        try:
            return self._read(request, path, body)
        except Forbidden:
            await self._report(request, claims)
            raise

    async def read_frame(
        self, request: Request, path: Mapping[str, str], values: dict[str, Any] | None, data: bytes | None
    ) -> Any:
        """Returns the message that a frame makes: a JSON object, or the content of a binary frame."""
        try:
            return self._read_message(request, path, values, data)
        except Forbidden:
            await self._report(request, request.claims)
            raise

    async def check_handshake(self, request: Request, path: Mapping[str, str]) -> None:
        """Refuses a handshake whose path, headers or cookies no frame can make right.

        Raises:
            Forbidden: the caller may not send them.
            Invalid: one of them breaks its rules.
        """
        route = self.route
        sent = {field.name for field in (*route.path_fields, *route.header_fields, *route.cookie_fields)}
        try:
            await self.read_frame(request, path, None, None)
        except Invalid as invalid:
            # The other fields come with the frames.
            wrong = [error for error in invalid.field_errors if error.field in sent]
            if wrong:
                raise Invalid(field_errors=wrong) from invalid

    def enter_call(self, request: Request, token: str, claims: Claims | None) -> Call:
        """Returns this task's context for calls, now set: what the service learns of the request."""
        caller = Caller(
            user_id=claims.user_id if claims else None,
            client_address=request.client_address,
            user_agent=request.header(b"user-agent"),
            accept_language=request.header(b"accept-language"),
            request_id=request.request_id,
        )
        request.call = call = Call(caller=caller, bearer_token=token, traceparent=request.traceparent)
        enter(call)
        return call

    async def _report(self, request: Request, claims: Claims | None) -> None:
        if claims is not None:
            await report_refused_key(
                self._dependencies.authenticator, self.route.policy, claims, sender(request)
            )
