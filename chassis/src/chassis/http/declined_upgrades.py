"""Requests that offer another protocol besides, served as the HTTP/1.1 that they are (RFC 9110, 7.8).

The parser stops at such an offer and takes the body, and all that follows, for the other
protocol. Java's client and `curl --http2` offer h2c with every first request in clear text.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class DecliningProtocol(HttpToolsProtocol):
    """uvicorn's protocol for HTTP/1.1, which reads on behind an offer to upgrade."""

    def data_received(self, data: bytes) -> None:
        """Takes bytes in."""
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self.send_400_response(str(error))

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as stopped:
                data = data[stopped.args[0] :]
                self._read_on()
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
    """Hears for the protocol what comes behind a head that it knows already."""

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
