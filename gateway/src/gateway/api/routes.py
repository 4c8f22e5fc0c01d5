"""The HTTP routes of gRPC methods, compiled from `google.api.http` and the policies."""

import enum
import re
from collections.abc import Iterable, Iterator
from typing import Any

from chassis.dataclass import dataclass
from chassis.grpc.policy import Policy, service_policies
from chassis.grpc.stream_policy import streams_content
from chassis.startup_errors import StartupError
from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor

from gateway.api.fields import cookie_of, header_of
from gateway.api.stream_routes import stream_route_problem
from gateway.http.request import BODY_BYTES_MAX

_METHODS = ("get", "put", "post", "delete", "patch")
_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_MEMBER = re.compile(r"[A-Za-z0-9._~-]+")


_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class RouteKind(enum.Enum):
    """How a route is served."""

    UNARY = "unary"
    """One response."""
    EVENTS = "events"
    """A stream of responses, sent as events."""
    CONTENT = "content"
    """A stream of responses, which are the parts of one body."""
    WEBSOCKET = "websocket"
    """A stream of requests, with one response or a stream of them."""


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP route of one gRPC method.

    Attributes:
        method: HTTP method.
        template: The path as documented, such as `/api/users/{user_id}`.
        segments: The path's parts; a variable's part is its field.
        policy: The method's policy: access, limits, deadline.
        kind: How it is served.
        body: Whether the request's fields are in a JSON body.
        response_field: The response's field that becomes `data`; None for all of it.
    """

    method: str
    template: str
    segments: tuple["str | FieldDescriptor", ...]
    policy: Policy
    kind: RouteKind
    body: bool
    response_field: FieldDescriptor | None

    @property
    def path_fields(self) -> list[FieldDescriptor]:
        """The request's fields in the path."""
        return [segment for segment in self.segments if not isinstance(segment, str)]

    @property
    def header_fields(self) -> list[FieldDescriptor]:
        """The request's fields in headers."""
        return [field for field in self.policy.descriptor.input_type.fields if header_of(field)]

    @property
    def cookie_fields(self) -> list[FieldDescriptor]:
        """The request's fields in cookies."""
        return [field for field in self.policy.descriptor.input_type.fields if cookie_of(field)]

    @property
    def reads_body(self) -> bool:
        """Whether a body is read; without fields for one it must be empty or `{}`."""
        return self.body or self.method in _METHODS_WITH_BODY

    @property
    def body_bytes_max(self) -> int:
        """Most bytes of a body."""
        return self.policy.options.body_bytes or BODY_BYTES_MAX

    @property
    def body_fields(self) -> list[FieldDescriptor]:
        """The request's fields in the body, or in each frame of a WebSocket."""
        return self._others if self._in_content else []

    @property
    def query_fields(self) -> list[FieldDescriptor]:
        """The request's fields in the query."""
        return [] if self._in_content else self._others

    @property
    def enveloped(self) -> bool:
        """Whether responses have the envelope."""
        return self.template.startswith("/api/")

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether a client may name its request, so that a retry is given the first response."""
        return self.policy.takes_idempotency_key

    @property
    def _in_content(self) -> bool:
        return self.body or self.kind is RouteKind.WEBSOCKET

    @property
    def _others(self) -> list[FieldDescriptor]:
        elsewhere = {field.name for field in (*self.path_fields, *self.header_fields, *self.cookie_fields)}
        return [field for field in self.policy.descriptor.input_type.fields if field.name not in elsewhere]


def compile_routes(services: Iterable[ServiceDescriptor]) -> tuple[Route, ...]:
    """Returns the routes of the services' methods.

    Raises:
        PolicyMissingError: a method has no policy.
        StartupError: a route cannot be served, or two methods claim the same one.
    """
    routes: dict[tuple[str, str], Route] = {}
    for service in services:
        for policy in service_policies(service):
            for route in _routes(policy):
                key = (route.method, _VARIABLE.sub("{}", route.template))
                if key in routes:
                    other = routes[key].policy.path
                    raise StartupError(
                        f"{policy.path} and {other} both claim {route.method} {route.template}"
                    )
                routes[key] = route
    return tuple(routes.values())


def _routes(policy: Policy) -> Iterator[Route]:
    rule = policy.descriptor.GetOptions().Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        if binding.WhichOneof("pattern") is not None:
            yield _route(policy, binding)


def _route(policy: Policy, rule: Any) -> Route:
    method = rule.WhichOneof("pattern")
    if method not in _METHODS:
        raise StartupError(f"{policy.path}: routes are {', '.join(_METHODS)}, not {method}")
    if rule.body not in ("", "*"):
        raise StartupError(f"{policy.path}: `body` is `*` or absent")
    if problem := stream_route_problem(policy, method, rule):
        raise StartupError(f"{policy.path}: {problem}")
    template = getattr(rule, method)
    response_field = None
    if rule.response_body:
        response_field = policy.descriptor.output_type.fields_by_name.get(rule.response_body)
        if response_field is None:
            raise StartupError(f"{policy.path}: the response has no field `{rule.response_body}`")
    return Route(
        method=method.upper(),
        template=template,
        segments=tuple(_segments(policy, template)),
        policy=policy,
        kind=_kind(policy.descriptor),
        body=rule.body == "*",
        response_field=response_field,
    )


def _kind(method: MethodDescriptor) -> RouteKind:
    if method.client_streaming:
        return RouteKind.WEBSOCKET
    if not method.server_streaming:
        return RouteKind.UNARY
    return RouteKind.CONTENT if streams_content(method) else RouteKind.EVENTS


def _segments(policy: Policy, template: str) -> Iterator["str | FieldDescriptor"]:
    if not template.startswith("/"):
        raise StartupError(f"{policy.path}: the path {template} does not begin with a slash")
    if template == "/":
        return
    for part in template[1:].split("/"):
        variable = _VARIABLE.fullmatch(part)
        if variable is None:
            # Only whole parts can be variables.
            if not _MEMBER.fullmatch(part):
                raise StartupError(
                    f"{policy.path}: `{part}` in the path {template} is neither a word nor a field"
                )
            yield part
            continue
        field = policy.descriptor.input_type.fields_by_name.get(variable[1])
        if field is None:
            raise StartupError(f"{policy.path}: the request has no field `{variable[1]}`")
        yield field
