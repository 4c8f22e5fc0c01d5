"""Which streams can be served, by the policy of their method and the marks on their messages' fields."""

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from vestibule.api.v1 import options_pb2

from chassis.grpc.field_rules import field_rules

HTTP_BODY = "google.api.HttpBody"

STREAM_SECONDS_MAX = 3600.0
"""Longest lifetime of a stream; an aged connection stays open until its streams have ended."""

MESSAGE_BYTES_MAX = 1024 * 1024
"""Most bytes of one message that a policy may allow."""


def streams(method: MethodDescriptor) -> bool:
    """Returns whether a method streams its requests, its responses or both."""
    return bool(method.client_streaming or method.server_streaming)


def streams_content(method: MethodDescriptor) -> bool:
    """Returns whether the responses of a method are the parts of one body, not messages of their own."""
    return bool(method.server_streaming and method.output_type.full_name == HTTP_BODY)


def event_id_field(message: Descriptor) -> FieldDescriptor | None:
    """Returns the field that identifies a message of a stream; None where no field is marked."""
    return next((field for field in message.fields if field_rules(field).event_id), None)


def binary_field(message: Descriptor) -> FieldDescriptor | None:
    """Returns the field that a binary frame stands for; None where no field is marked."""
    return next((field for field in message.fields if field_rules(field).binary_frame), None)


def stream_problem(method: MethodDescriptor, policy: options_pb2.MethodPolicy) -> str:
    """Returns why a method cannot be served as its proto declares it; empty when it can."""
    if policy.HasField("stream") and not streams(method):
        return "`stream` is for methods that stream"
    bounds = policy.stream
    if min(bounds.per_person, bounds.message_bytes, bounds.idle.seconds, bounds.lifetime.seconds) < 0:
        return "the bounds of a stream are not negative"
    if bounds.lifetime.ToNanoseconds() / 1e9 > STREAM_SECONDS_MAX:
        return f"a stream's `lifetime` is {STREAM_SECONDS_MAX:.0f} s at most"
    if bounds.message_bytes > MESSAGE_BYTES_MAX:
        return f"a stream's `message_bytes` is {MESSAGE_BYTES_MAX} at most"
    if not streams(method):
        return ""
    return (
        _unused_on_streams(policy)
        or _wrong_mark(method.output_type, "event_id", FieldDescriptor.TYPE_STRING)
        or _wrong_mark(method.input_type, "binary_frame", FieldDescriptor.TYPE_BYTES)
        or _wrong_mark(method.output_type, "binary_frame", FieldDescriptor.TYPE_BYTES)
    )


def _unused_on_streams(policy: options_pb2.MethodPolicy) -> str:
    set_here = [name for name in ("cache", "status_rule", "keys_may") if policy.HasField(name)]
    if policy.success_status:
        set_here.append("success_status")
    return f"`{set_here[0]}` has no meaning for a method that streams" if set_here else ""


def _wrong_mark(message: Descriptor, mark: str, kind: int) -> str:
    marked = [field for field in message.fields if getattr(field_rules(field), mark)]
    if len(marked) > 1:
        return f"{message.name} has more than one `{mark}`"
    if marked and (marked[0].type != kind or marked[0].is_repeated):
        name = "string" if kind == FieldDescriptor.TYPE_STRING else "bytes"
        return f"the `{mark}` of {message.name} is not one field of type {name}"
    return ""
