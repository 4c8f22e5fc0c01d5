"""Messages of a WebSocket's peer, put together from their frames, until they are taken."""

import asyncio
from collections import deque

from websockets.frames import Frame, Opcode

from gateway.http.problems import InvalidJson, PayloadTooLarge

FRAGMENTS_MAX = 4096
"""Most fragments of one message."""

MESSAGE_OVERHEAD_BYTES = 64


class PeerGone(Exception):
    """The connection is closed or closing, and every message that came before has been taken."""


class Inbox:
    """Messages that have come and wait to be taken, in their order.

    Attributes:
        bytes: How many bytes wait, about: text counts by its characters, and every message a little.
    """

    def __init__(self) -> None:
        self.bytes = 0
        # To ask for the running loop is a system call each time.
        self._loop = asyncio.get_running_loop()
        self._messages: deque[bytes | str] = deque()
        self._fragments: list[bytes] = []
        self._is_text = False
        self._closed = False
        self._arrival: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """Returns how many messages wait."""
        return len(self._messages)

    def assemble(self, frame: Frame) -> bytes | str | None:
        """Returns the message that a frame completes; None where more frames follow.

        Raises:
            PayloadTooLarge: it has too many fragments.
            InvalidJson: it is text, but not in UTF-8.
        """
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if len(self._fragments) > FRAGMENTS_MAX:
            raise PayloadTooLarge
        if not frame.fin:
            return None
        data = b"".join(self._fragments)
        self._fragments.clear()
        try:
            return data.decode() if self._is_text else data
        except UnicodeDecodeError as error:
            raise InvalidJson from error

    def put(self, message: bytes | str) -> None:
        """Adds a message."""
        self.bytes += len(message) + MESSAGE_OVERHEAD_BYTES
        self._messages.append(message)
        self._wake()

    async def take(self) -> bytes | str:
        """Waits for the next message and returns it.

        Raises:
            PeerGone: there is none, and none will come.
        """
        while not self._messages:
            if self._closed:
                raise PeerGone
            self._arrival = self._loop.create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        message = self._messages.popleft()
        self.bytes -= len(message) + MESSAGE_OVERHEAD_BYTES
        return message

    def close(self) -> None:
        """No more messages come; those that have come can still be taken."""
        self._closed = True
        self._wake()

    def discard(self) -> None:
        """Throws away what has come, and closes."""
        self._messages.clear()
        self.bytes = 0
        self.close()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
