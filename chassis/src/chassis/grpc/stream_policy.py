"""Which streams can be served, by the policy of their method and the marks on their messages' fields."""

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from vestibule.api.v1 import options_pb2

from chassis.grpc.field_rules import field_rules

STREAM_SECONDS_MAX = 3600.0
"""Longest lifetime of a stream; an aged connection stays open until its streams have ended."""

MESSAGE_BYTES_MAX = 1024 * 1024
"""Most bytes of one message that a policy may allow."""


def streams(method: MethodDescriptor) -> bool:
    """Returns whether a method streams its requests, its responses or both."""
    return bool(method.client_streaming or method.server_streaming)


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
    return (
        _unused_on_streams(method, policy)
        or _wrong_event_id(method)
        or _wrong_binary_frame(method, method.input_type)
        or _wrong_binary_frame(method, method.output_type)
    )


def _unused_on_streams(method: MethodDescriptor, policy: options_pb2.MethodPolicy) -> str:
    if not streams(method):
        return ""
    set_here = [name for name in ("cache", "status_rule", "keys_may") if policy.HasField(name)]
    if policy.success_status:
        set_here.append("success_status")
    return f"`{set_here[0]}` has no meaning for a method that streams" if set_here else ""


def _wrong_event_id(method: MethodDescriptor) -> str:
    marked = [field for field in method.output_type.fields if field_rules(field).event_id]
    if not marked:
        return ""
    if not method.server_streaming:
        return "`event_id` is for responses that stream"
    if len(marked) > 1:
        return f"{method.output_type.name} has more than one `event_id`"
    if marked[0].type != FieldDescriptor.TYPE_STRING or marked[0].is_repeated:
        return f"the `event_id` of {method.output_type.name} is not a string"
    return ""


def _wrong_binary_frame(method: MethodDescriptor, message: Descriptor) -> str:
    marked = [field for field in message.fields if field_rules(field).binary_frame]
    if not marked:
        return ""
    if not method.client_streaming:
        return "`binary_frame` is for methods whose requests stream: only a WebSocket has binary frames"
    if len(marked) > 1:
        return f"{message.name} has more than one `binary_frame`"
    if marked[0].type != FieldDescriptor.TYPE_BYTES or marked[0].is_repeated:
        return f"the `binary_frame` of {message.name} is not a bytes field"
    return ""
