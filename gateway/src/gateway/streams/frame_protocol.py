"""The framing of the `websockets` library (RFC 6455), parsed a part at a time and closed by our reasons."""

from collections.abc import Mapping

from websockets.protocol import Protocol, Side

from gateway.http.problems import BadRequest, InvalidJson, PayloadTooLarge

PART_BYTES = 4096
"""How much is parsed at once: a frame may have 6 bytes, and takes some 20 µs."""

_REASONS: Mapping[int, str] = {
    1002: BadRequest.reason,
    1007: InvalidJson.reason,
    1009: PayloadTooLarge.reason,
}


class FrameProtocol(Protocol):
    """The framing of one connection.

    Attributes:
        unparsed: What has come and is not parsed yet.
    """

    def __init__(self, message_bytes: int) -> None:
        """Takes the most bytes that a message may have."""
        super().__init__(Side.SERVER, max_size=message_bytes)
        self.unparsed = bytearray()

    def parse_part(self) -> None:
        """Parses the next part of what has come."""
        part = bytes(self.unparsed[:PART_BYTES])
        del self.unparsed[:PART_BYTES]
        self.receive_data(part)

    def fail(self, code: int, reason: str = "") -> None:
        """Closes because of what the peer sent."""
        super().fail(code, _REASONS.get(code, reason))
