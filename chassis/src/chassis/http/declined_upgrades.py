"""Requests that offer another protocol besides: the app may take the offer, or answer by HTTP/1.1.

The parser stops at such an offer and takes the body, and all that follows, for the other
protocol. Java's client and `curl --http2` offer h2c with every first request in clear text.
An offer that is not accepted is served as the HTTP/1.1 that it is (RFC 9110, 7.8).
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

UPGRADE_EXTENSION = "vestibule.upgrade"

Upgrade = Callable[[Iterable[tuple[bytes, bytes]], asyncio.Protocol], bool]
"""Answers a request that offers a protocol by 101 with the given headers, and hands its connection to what
speaks that protocol: an extension of ASGI, by `UPGRADE_EXTENSION`. Returns False, and does nothing, where the
client has sent more than the offer already."""

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"


class DecliningProtocol(HttpToolsProtocol):
    """uvicorn's protocol for HTTP/1.1, which reads on behind an offer to upgrade."""

    _offer: RequestResponseCycle | None = None
    """The request that offers a protocol, as long as nothing has come behind it."""

    def data_received(self, data: bytes) -> None:
        """Takes bytes in."""
        self._offer = None
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self.send_400_response(str(error))

    def upgrade(
        self,
        cycle: RequestResponseCycle,
        headers: Iterable[tuple[bytes, bytes]],
        protocol: asyncio.Protocol,
    ) -> bool:
        """Does what `Upgrade` says for one request; what came behind it may be another offer."""
        transport = self.transport
        if cycle is not self._offer or cycle.disconnected or cycle.response_started or transport.is_closing():
            return False
        self._offer = None
        cycle.response_started = cycle.response_complete = True
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        lines = (b"%s: %s\r\n" % field for field in headers)
        transport.write(b"".join((_SWITCHING, *lines, b"\r\n")))
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if any(name == b"upgrade" for name, _ in cycle.scope["headers"]):
            upgrade: Any = partial(self.upgrade, cycle)
            cycle.scope.setdefault("extensions", {})[UPGRADE_EXTENSION] = upgrade
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as stopped:
                data = data[stopped.args[0] :]
                self._read_on()
                if not data:
                    self._offer = self.cycle
            else:
                return

    @property
    def _stopped(self) -> bool:
        """Whether the parser stops at this head, and so knows nothing of its body."""
        return self.parser.should_upgrade()

    def _read_on(self) -> None:
        """Has a new parser read what belongs to the head at which the last one stopped."""
        framing = [b"%s: %s\r\n" % field for field in self.scope["headers"] if field[0] in _FRAMING]
        follower = _Follower(self)
        self.parser = httptools.HttpRequestParser(follower)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n")
        follower.knows_head = True


class _Follower:
    """Passes on what comes behind a head that the protocol knows already."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = protocol
        self.knows_head = False
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if self.knows_head:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self.knows_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.knows_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.knows_head:
            self._protocol.on_headers_complete()
