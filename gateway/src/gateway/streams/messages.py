"""Messages of services as clients see them: the parts of an event, or a frame of a WebSocket."""

from collections.abc import Callable
from typing import Any

import orjson
from chassis.dataclass import dataclass
from chassis.grpc.stream_policy import binary_field, event_id_field
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.api.fields import real_oneof
from gateway.api.message_encoder import compile_encoder, compile_field_encoders
from gateway.streams.binary_frames import compile_content

DEFAULT_NAME = "message"


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One message.

    Attributes:
        name: The member of the message's oneof that is set; `message` where there is none.
        data: Its JSON.
        identifier: What a client resumes by; None where the proto marks no field.
    """

    name: str
    data: bytes
    identifier: str | None


def compile_event(output: Descriptor) -> Callable[[bytes], StreamEvent]:
    """Returns what makes an event of a serialized message.

    A message that is nothing but its oneof is shown as the member that is set, as is one whose only other
    field is its identifier. Every other message is shown as a whole.
    """
    parse, encode = GetMessageClass(output).FromString, compile_encoder(output)
    members = compile_field_encoders(output)
    oneof, identifier = real_oneof(output), event_id_field(output)
    others = {field.name for field in output.fields} - {
        field.name for field in (oneof.fields if oneof else ())
    }
    is_member = oneof is not None and others <= ({identifier.name} if identifier is not None else set())

    def event(raw: bytes) -> StreamEvent:
        message = parse(raw)
        name = message.WhichOneof(oneof.name) if oneof is not None else None
        data = members[name](message) if is_member and name is not None else encode(message)
        own = None if identifier is None else getattr(message, identifier.name)
        return StreamEvent(name or DEFAULT_NAME, orjson.dumps(data), own)

    return event


def compile_frame(output: Descriptor) -> Callable[[bytes], tuple[bytes, bool]]:
    """Returns what makes a frame of a serialized message, and says whether it is a binary one.

    The field that the proto marks is a binary frame when it is all that is set of its oneof, or of the
    message. Every other message is JSON, in which members of a oneof that are not set do not appear.
    """
    parse, fields = GetMessageClass(output).FromString, compile_field_encoders(output)
    oneof, binary = real_oneof(output), binary_field(output)
    members = frozenset(field.name for field in oneof.fields) if oneof is not None else frozenset()
    plain = [(name, encode) for name, encode in fields.items() if name not in members]
    content = None if binary is None else compile_content(binary)

    def frame(raw: bytes) -> tuple[bytes, bool]:
        if content is not None and (data := content(raw)):
            return data, True
        message = parse(raw)
        name = message.WhichOneof(oneof.name) if oneof is not None else None
        if binary is not None and (name == binary.name if binary.name in members else _only(message, binary)):
            return getattr(message, binary.name), True
        shown: dict[str, Any] = {each: encode(message) for each, encode in plain}
        if name is not None:
            shown[name] = fields[name](message)
        return orjson.dumps(shown), False

    return frame


def _only(message: Any, binary: Any) -> bool:
    """Returns whether a message holds bytes in its marked field and nothing else."""
    present = message.ListFields()
    return len(present) == 1 and present[0][0].name == binary.name
