"""Which streams can be served over HTTP, by their route and their messages."""

from typing import Any

from chassis.grpc.policy import Policy
from chassis.grpc.stream_policy import HTTP_BODY, streams
from vestibule.api.v1 import options_pb2

from gateway.api.fields import cookie_of, header_of, real_oneof

RESERVED_EVENTS = frozenset({"end", "error", "ending"})
"""Names of events that are the gateway's own."""

RESERVED_FIELDS = frozenset({"auth", "end"})
"""Keys of a WebSocket's frames that are for the gateway."""


def stream_route_problem(policy: Policy, method: str, rule: Any) -> str:
    """Returns why a route cannot be served as declared; empty when it can, or when nothing streams.

    Args:
        policy: The method's.
        method: HTTP method, in lower case.
        rule: The route's `google.api.http`.
    """
    rpc = policy.descriptor
    if not streams(rpc):
        return ""
    if rule.response_body:
        return "`response_body` has no meaning for a method that streams"
    if rpc.input_type.full_name == HTTP_BODY or (
        rpc.client_streaming and rpc.output_type.full_name == HTTP_BODY
    ):
        return "google.api.HttpBody streams only from the service, to one request"
    if any(header_of(field) or cookie_of(field) for field in rpc.output_type.fields):
        return "messages of a stream have no headers or cookies"
    return (
        _websocket_problem(policy, method, rule) if rpc.client_streaming else _events_problem(policy, method)
    )


def _websocket_problem(policy: Policy, method: str, rule: Any) -> str:
    rpc = policy.descriptor
    if method != "get" or rule.body:
        return "requests stream over a WebSocket, whose route is a `get` without `body`"
    taken = RESERVED_FIELDS.intersection(rpc.input_type.fields_by_name)
    if taken:
        return f"{rpc.input_type.name} has a field `{min(taken)}`, which in a frame is for the gateway"
    in_path = "{user_id}" in getattr(rule, method)
    if policy.access == options_pb2.ACCESS_ADMIN_OR_SELF and not in_path:
        return "ACCESS_ADMIN_OR_SELF on a WebSocket needs the `user_id` in its path"
    return ""


def _events_problem(policy: Policy, method: str) -> str:
    if method not in ("get", "post"):
        return "responses stream to `get` and `post`"
    oneof = real_oneof(policy.descriptor.output_type)
    taken = RESERVED_EVENTS & {field.name for field in oneof.fields} if oneof is not None else set()
    return f"an event cannot have the name `{min(taken)}`, which is the gateway's own" if taken else ""
