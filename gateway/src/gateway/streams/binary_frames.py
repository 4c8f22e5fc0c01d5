"""Messages that hold the content of a binary frame, written and read by their serialized form.

A bytes field is its tag, its length and its content (protobuf's encoding), and messages that are joined are
one with the fields of both. So a frame of sound goes neither through a message nor through all field rules.
"""

from collections.abc import Callable

from chassis.grpc.field_rules import constraints
from chassis.grpc.value_checks import compile_check
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_LENGTH_DELIMITED = 2
"""Wire type of a bytes field."""

_MORE = 0x80
"""Bit of a byte of a number, least significant first, that says that another one follows."""

_LENGTH_BYTES_MAX = 5


class BinaryRequests:
    """Requests of one stream that differ only by the content of a binary frame.

    What else they hold is the handshake's, as is what the field rules say of it.
    """

    def __init__(self, field: FieldDescriptor) -> None:
        """Takes the field that a binary frame stands for."""
        self._name = field.name
        self._tag = _tag(field)
        self._check = compile_check(field, constraints(field))
        self._others: bytes | None = None

    def learn(self, message: Message) -> None:
        """Takes from the request of a frame, which was read and validated, what is not the frame's.

        The message is used up.
        """
        message.ClearField(self._name)
        self._others = message.SerializeToString()

    def write(self, data: bytes) -> bytes | None:
        """Returns the serialized request of a frame; None where it has to be read in full."""
        if self._others is None or not data or (self._check is not None and self._check(data)):
            return None
        return b"%b%b%b%b" % (self._others, self._tag, _number(len(data)), data)


def compile_content(field: FieldDescriptor) -> Callable[[bytes], bytes]:
    """Returns what takes the content of a field out of a serialized message that is nothing else.

    It returns nothing for any other message, and for one in which the field is empty.
    """
    tag, begin = _tag(field), len(_tag(field))

    def content(raw: bytes) -> bytes:
        if not raw.startswith(tag):
            return b""
        length = 0
        for place, byte in enumerate(raw[begin : begin + _LENGTH_BYTES_MAX]):
            length |= (byte & ~_MORE) << 7 * place
            if byte < _MORE:
                data = raw[begin + place + 1 :]
                return data if len(data) == length else b""
        return b""

    return content


def _tag(field: FieldDescriptor) -> bytes:
    return _number(field.number << 3 | _LENGTH_DELIMITED)


def _number(number: int) -> bytes:
    encoded = bytearray()
    while number >= _MORE:
        encoded.append(number & 0x7F | _MORE)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
