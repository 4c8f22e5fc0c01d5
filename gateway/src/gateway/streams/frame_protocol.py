"""The framing of the `websockets` library (RFC 6455), parsed a part at a time and closed by our reasons.

Messages of one frame, which nearly all are, are parsed and written here, in a third of the library's time.
Everything else is the library's: fragments, control frames, frames of which only a part has come or that
hold more than 64 KiB, and whatever is wrong.
"""

import struct
from collections.abc import Mapping
from time import monotonic

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side
from websockets.speedups import apply_mask

from gateway.http.problems import BadRequest, InvalidJson, PayloadTooLarge

PART_BYTES = 4096
"""How much the library parses at once: a frame may have 6 bytes, and takes some 20 µs."""

FRAGMENTS_PER_SECOND = 1_000
FRAGMENTS_AT_ONCE = 2_000
"""Fragments that are parsed without a pause. They may be empty and wait for no service, as messages do, so
that a client could have the gateway parse nothing else."""

CONTROL_BYTES_MAX = 125
"""Of a ping, pong or close (RFC 6455, 5.5)."""

_CONTROL = 0x08
"""Bit of the first byte of a control frame."""

_REASONS: Mapping[int, str] = {
    1002: BadRequest.reason,
    1007: InvalidJson.reason,
    1009: PayloadTooLarge.reason,
}

_TEXT, _BINARY = 0x81, 0x82
"""First byte of a message that is one frame."""

_MESSAGES: Mapping[int, Opcode] = {_TEXT: Opcode.TEXT, _BINARY: Opcode.BINARY}

_MASKED = 0x80
"""Bit of the second byte, whose others are the length or say how many bytes of length follow."""

_TWO_BYTES, _EIGHT_BYTES = 126, 127
"""Bytes of length that follow."""

_MASK_BYTES = 4
_HEAD = struct.Struct("!BBH")
_LONG_HEAD = struct.Struct("!BBQ")


class FrameProtocol(Protocol):
    """The framing of one connection.

    Attributes:
        unparsed: What has come and is not parsed yet.
    """

    def __init__(self, message_bytes: int) -> None:
        """Takes the most bytes that a message may have."""
        self._message_bytes = message_bytes
        super().__init__(Side.SERVER, max_size=message_bytes)
        self.unparsed = bytearray()
        self._between_frames = True  # the library's parser waits for the first byte of a frame
        self._fragments_left = float(FRAGMENTS_AT_ONCE)
        self._counted_at = monotonic()

    @property
    def max_message_size(self) -> int | None:
        """Most bytes of a message, as the library's parser asks before each frame.

        It subtracts what has come of the message, also for a control frame in between, no part of it.
        """
        if self.reader.buffer and self.reader.buffer[0] & _CONTROL:
            return max(self._message_bytes, (self.current_size or 0) + CONTROL_BYTES_MAX)
        return self._message_bytes

    @max_message_size.setter
    def max_message_size(self, value: int | None) -> None:
        """Set by the library; `message_bytes` stays."""

    def pause_seconds(self) -> float:
        """Returns how long to wait before the next part, because of the fragments in those before."""
        now = monotonic()
        refilled = self._fragments_left + (now - self._counted_at) * FRAGMENTS_PER_SECOND
        self._fragments_left, self._counted_at = min(refilled, FRAGMENTS_AT_ONCE), now
        return max(0.0, -self._fragments_left / FRAGMENTS_PER_SECOND)

    def parse_part(self) -> None:
        """Parses the next part of what has come."""
        left = PART_BYTES
        while left > 0 and self._between_frames and (parsed := self._parse_message(left)):
            left -= parsed
        if left > 0 and self.unparsed:
            part = bytes(self.unparsed[:left])
            del self.unparsed[:left]
            self._between_frames = False
            self.receive_data(part)

    def only_message(self, data: bytes) -> bytes | None:
        """Returns the binary message that a piece of what comes is and nothing else; None where it is not.

        Most come so. Such a piece needs no `unparsed`, and its message no frame.
        """
        if not self._between_frames or self.unparsed or not data or data[0] != _BINARY:
            return None
        begin, end = self._extent(data)
        return apply_mask(data[begin:], data[begin - _MASK_BYTES : begin]) if end == len(data) else None

    def recv_frame(self, frame: Frame) -> None:
        """Takes a frame that the library's parser has read."""
        super().recv_frame(frame)
        self._between_frames = not self.reader.buffer
        if not frame.fin or frame.opcode is Opcode.CONT:
            self._fragments_left -= 1

    def fail(self, code: int, reason: str = "") -> None:
        """Closes because of what the peer sent."""
        super().fail(code, _REASONS.get(code, reason))

    def _parse_message(self, left: int) -> int:
        """Takes a message that is one frame and is there as a whole; returns its bytes, 0 for none.

        Only the first of a part may be longer than what is left of the part.
        """
        unparsed = self.unparsed
        begin, end = self._extent(unparsed)
        if not end or len(unparsed) < end or left < min(end, PART_BYTES):
            return 0
        data = apply_mask(unparsed[begin:end], unparsed[begin - _MASK_BYTES : begin])
        opcode = _MESSAGES[unparsed[0]]
        del unparsed[:end]
        self.events.append(Frame(opcode, data))
        return end

    def _extent(self, received: bytes | bytearray) -> tuple[int, int]:
        """Returns where the content of a message of one frame begins and ends; zeros for anything else."""
        begin = 2 + _MASK_BYTES
        if len(received) < begin or self.current_size is not None or self.state is not OPEN:
            return 0, 0
        length = received[1] - _MASKED
        if received[0] not in _MESSAGES or not 0 <= length <= _TWO_BYTES:
            return 0, 0
        if length == _TWO_BYTES:
            length = int.from_bytes(received[2:4])
            begin += 2
        return (begin, begin + length) if length <= self._message_bytes else (0, 0)


def message_frame(data: bytes, *, binary: bool) -> bytes:
    """Returns a message of a server as one frame."""
    first, length = _BINARY if binary else _TEXT, len(data)
    if length < _TWO_BYTES:
        return bytes((first, length)) + data
    if length < 1 << 16:
        return _HEAD.pack(first, _TWO_BYTES, length) + data
    return _LONG_HEAD.pack(first, _EIGHT_BYTES, length) + data
