"""A WebSocket as a pair of coroutines, with back-pressure both ways and nothing kept beyond one message.

The framing is that of the `websockets` library (RFC 6455); the connection comes from
`chassis.http.declined_upgrades`, once the gateway has admitted the client.
"""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from websockets.frames import Frame, Opcode

from gateway.http.problems import InvalidJson, PayloadTooLarge
from gateway.streams.frame_protocol import FrameProtocol, message_frame
from gateway.streams.inbox import Inbox, PeerGone
from gateway.streams.kernel_socket import limit_receive_buffer, peer_has_closed

PING_SECONDS = 20.0
"""How long after the last ping was answered the next one is sent, and how long an answer may take."""

CLOSE_SECONDS = 2.0
"""How long a peer may take for what was sent before the close, and for its own close."""

CONTROL_FRAMES_MAX = 200
"""Most pings and pongs that a peer may send between two of our own pings."""

LOOK_SECONDS = 0.5
"""How often a connection that is not read is checked for its peer's leaving."""


class WebSocket(asyncio.Protocol):
    """One connection after its upgrade.

    Attributes:
        received_at: When the last message came, by `time.monotonic()`.
        left: Done when the peer has left, or has been refused.
        has_closed: Whether the peer has left by a close: what it sent before is still to be taken.
        refused: The reason that it was closed with because of what the peer sent; empty otherwise.
    """

    def __init__(self, message_bytes: int, take_at_once: Callable[[bytes | str], bool]) -> None:
        """Makes one that waits for its connection.

        Args:
            message_bytes: Most bytes of one message.
            take_at_once: Takes a message before its turn; returns whether it has.
        """
        self.received_at = time.monotonic()
        self._framing = FrameProtocol(message_bytes)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._inbox = Inbox()
        self._take_at_once = take_at_once
        self._awaited = False  # whether a message is waited for, and none has come yet
        self._reading = True
        self._writable = asyncio.Event()
        self._writable.set()
        self._closing = False
        self.left: asyncio.Future[None] = self._loop.create_future()
        self.has_closed = False
        self._read_ahead_bytes = 0
        self.refused = ""
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._parsing: asyncio.Handle | None = None
        self._ping_sent = False
        self._control_frames = 0

    async def receive(self) -> bytes | str:
        """Returns the next message: text or bytes, as the peer sent it.

        Raises:
            PeerGone: there is none, and none will come.
        """
        if not self._inbox:
            self._awaited = True
            self._regulate()
        return await self._inbox.take()

    async def send(self, data: bytes, *, binary: bool) -> None:
        """Sends a message, text or binary; waits first while the peer does not take what was sent before.

        Raises:
            PeerGone: the client has left.
        """
        if not self._writable.is_set():
            await self._writable.wait()
        if self._closing:
            raise PeerGone
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(message_frame(data, binary=binary))

    async def close(self, code: int, reason: str) -> None:
        """Closes the connection and waits until it is closed: for the peer, but not for long."""
        transport = self._transport
        if transport is None:
            return
        if not self._closing:
            self._closing = True
            self._inbox.discard()
            self._framing.send_close(code, reason)
            self._flush()
            self._regulate()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.shield(self._lost)
        except TimeoutError:
            pass
        finally:
            transport.abort()

    def read_ahead(self, bytes_max: int) -> None:
        """Reads up to this number of bytes while no message is taken; 0 to read nothing then."""
        self._read_ahead_bytes = bytes_max
        self._regulate()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins; called once the answer to the upgrade is written."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        limit_receive_buffer(transport)
        self._timer = self._loop.call_later(PING_SECONDS, self._ping)

    def data_received(self, data: bytes) -> None:
        """Takes bytes in."""
        if self._parsing is None and not self._closing and self._takes_more:
            message = self._framing.only_message(data)
            if message is not None:
                self.received_at = time.monotonic()
                self._awaited = False
                self._inbox.put(message)
                return
        self._framing.unparsed += data
        if self._parsing is None and self._takes_more:
            self._parse()
        else:
            self._regulate()

    def pause_writing(self) -> None:
        """Reads nothing more: the peer does not take what was sent."""
        self._writable.clear()
        self._regulate()

    def resume_writing(self) -> None:
        """The peer has taken what was sent."""
        self._writable.set()
        self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wakes those that wait."""
        del exc
        for timer in (self._timer, self._look_timer, self._parsing):
            if timer is not None:
                timer.cancel()
        self._closing = True
        if not self._lost.done():
            self._lost.set_result(None)
        self._writable.set()
        self._end()

    def _parse(self) -> None:
        """Parses a part of what has come; the loop serves others before the next part."""
        self._parsing = None
        if self._framing.parser_exc is not None:
            self._framing.unparsed.clear()
            self._regulate()
            return
        self._framing.parse_part()
        for frame in self._framing.events_received():
            if isinstance(frame, Frame):
                self._take(frame)
        self._flush()
        if self._framing.parser_exc is not None:
            self._fail()
        elif self._framing.close_rcvd is not None:
            self._peer_closed()
        elif seconds := self._framing.pause_seconds():
            self._parsing = self._loop.call_later(seconds, self._parse)
        self._regulate()

    def _take(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.PING | Opcode.PONG:
                self._control_frames += 1
                if frame.opcode is Opcode.PONG:
                    self._ping_sent = False
                if self._control_frames > CONTROL_FRAMES_MAX:
                    self._refuse(1008, "RATE_LIMITED")
            case Opcode.CLOSE:
                pass
            case _ if not self._closing:
                self._take_data(frame)

    def _take_data(self, frame: Frame) -> None:
        self.received_at = time.monotonic()
        try:
            message = self._inbox.assemble(frame)
        except PayloadTooLarge as error:
            self._refuse(1009, error.reason)
        except InvalidJson as error:
            self._refuse(1007, error.reason)
        else:
            if message is not None and not self._take_at_once(message):
                self._awaited = False
                self._inbox.put(message)

    def _refuse(self, code: int, reason: str) -> None:
        """Closes because of what the peer does."""
        if not self._closing:
            self._framing.fail(code, reason)
            self._fail()

    def _fail(self) -> None:
        """The close is on its way; what the peer still sends is thrown away until it closes too."""
        if self._closing or self._transport is None:
            return
        self._closing = True
        self._inbox.discard()
        self.refused = "" if self._framing.close_sent is None else self._framing.close_sent.reason
        self._flush()
        if not self._transport.is_closing():
            self._transport.write_eof()
        self._end()

    def _peer_closed(self) -> None:
        self._closing = self.has_closed = True
        if self._transport is not None:
            self._transport.close()
        self._end()

    def _flush(self) -> None:
        output = b"".join(self._framing.data_to_send())
        if output and self._transport is not None and not self._transport.is_closing():
            self._transport.write(output)

    def _end(self) -> None:
        if not self.left.done():
            self.left.set_result(None)
        self._inbox.close()

    @property
    def _takes_more(self) -> bool:
        """Whether there is room: a message is waited for, and the peer takes what it is sent."""
        has_room = self._awaited or self._inbox.bytes < self._read_ahead_bytes
        return self._closing or (has_room and self._writable.is_set())

    def _regulate(self) -> None:
        """Parses and reads when there is room.

        Reading is stopped by what comes when there is none: to stop and resume it for each message would
        cost two system calls, and most messages come when the one before has been taken.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._framing.unparsed:
            if not self._reading and self._takes_more:
                self._reading = True
                transport.resume_reading()
            return
        if self._takes_more and self._parsing is None:
            self._parsing = self._loop.call_soon(self._parse)
        if self._reading:
            self._reading = self._ping_sent = False
            transport.pause_reading()
            if self._look_timer is None:
                self._look_timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Notices that the peer has left while nothing is read."""
        self._look_timer = None
        transport = self._transport
        if self._reading or transport is None or transport.is_closing():
            return
        if peer_has_closed(transport):
            transport.abort()
            return
        self._look_timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _ping(self) -> None:
        """Pings, and gives up a peer that has not answered the last one, unless it could not be seen."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._closing:
            return
        self._control_frames = 0
        if self._writable.is_set() and self._reading:
            if self._ping_sent:
                transport.abort()
                return
            self._ping_sent = True
            self._framing.send_ping(b"")
            self._flush()
        self._timer = self._loop.call_later(PING_SECONDS, self._ping)
