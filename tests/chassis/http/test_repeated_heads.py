"""A head that repeats one that was answered is answered by what its app left, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from chassis.http import repeated_heads
from chassis.http.repeated_heads import EXTENSION, HEAD_BYTES_MAX, Answer
from chassis.http.server import HttpServer, open_http

HEAD = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
READ, REPEATED = b"read", b"repeated"


@dataclass
class App:
    """Answers every request by itself, and leaves an answer for its repeats.

    Attributes:
        answers: What is left in place of `repeated`, by target.
        ids: The request ids that repeats came with.
        extension: Whether each request could be remembered.
    """

    answers: dict[bytes, Answer] = field(default_factory=dict)
    ids: list[bytes] = field(default_factory=list)
    extension: list[bool] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers."""
        del receive
        remember = scope["extensions"].get(EXTENSION)
        self.extension.append(remember is not None)
        length = [(b"content-length", str(len(READ)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": READ})
        if remember is not None:
            remember(self.answers.get(scope["raw_path"], self._repeat))

    def _repeat(self, request_id: bytes) -> tuple[bytes, bytes]:
        self.ids.append(request_id)
        return b"content-length: %d\r\n" % len(REPEATED), REPEATED


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, *pieces: bytes) -> bytes:
        """Sends the pieces of a request, and returns the body of the response."""
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(0.05)
            self.writer.write(piece)
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert head.count(b"\r\ndate: ") == 1
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            return await self.reader.readexactly(int(length))

    async def closed(self) -> bool:
        """Waits until the server closes; returns whether nothing came before."""
        async with asyncio.timeout(20):
            return await self.reader.read() == b""


@asynccontextmanager
async def connected(server: HttpServer) -> AsyncIterator[Client]:
    """Connects a client."""
    host, _, port = server.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def test_a_repeat_is_answered_by_what_the_app_left() -> None:
    """On any connection from the same address, also as its first request."""
    app = App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        async with connected(server) as client:
            assert [await client.ask(HEAD) for _ in range(3)] == [READ, REPEATED, REPEATED]
            assert await client.ask(HEAD.replace(b"/", b"/other", 1)) == READ
            assert await client.ask(HEAD) == REPEATED
        async with connected(server) as client:
            assert await client.ask(HEAD) == REPEATED

    assert app.ids == [b""] * 4


@pytest.mark.parametrize("before", [HEAD, b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"])
async def test_the_rest_of_a_head_is_no_head(before: bytes) -> None:
    """Though its bytes are those of one: they end the field that came with the request before."""
    app = App()
    async with open_http(app, host="127.0.0.1", port=0) as server, connected(server) as client:
        assert await client.ask(HEAD) == READ
        await client.ask(before + b"GET /other HTTP/1.1\r\nhost: h\r\nx-field: ")
        # Two fields `host`, of which this app knows nothing, in one request.
        assert await client.ask(HEAD) == READ
        assert await client.ask(HEAD) == REPEATED

    assert len(app.extension) == 3


@pytest.mark.parametrize("name", [b"X-Request-ID", b"x-request-id", b"X-Request-Id"])
async def test_the_request_id_is_no_part_of_a_head(name: bytes) -> None:
    """It is given to the answer, which decides whether it can be kept."""
    app = App()
    with_id = b"GET / HTTP/1.1\r\n" + name + b": %b\r\nhost: h\r\n\r\n"
    async with open_http(app, host="127.0.0.1", port=0) as server, connected(server) as client:
        assert [await client.ask(with_id % each) for each in (b"one", b"two", b"")] == [
            READ,
            REPEATED,
            REPEATED,
        ]
        assert await client.ask(HEAD) == REPEATED

    assert app.ids == [b"two", b"", b""]


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: h\r\nx-request-id: one\r\nX-Request-ID: two\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: h\r\nX-REQUEST-ID: one\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: h\r\na: " + b"b" * HEAD_BYTES_MAX + b"\r\n\r\n",
    ],
)
async def test_other_heads_are_read_each_time(head: bytes) -> None:
    """Those that may have a body, that name two ids or hide one, and long ones."""
    async with open_http(App(), host="127.0.0.1", port=0) as server, connected(server) as client:
        assert [await client.ask(head) for _ in range(3)] == [READ] * 3


async def test_a_head_in_pieces_is_read() -> None:
    """Only bytes that come together are looked up; what is left for them stays."""
    async with open_http(App(), host="127.0.0.1", port=0) as server, connected(server) as client:
        assert [await client.ask(HEAD) for _ in range(2)] == [READ, REPEATED]
        assert await client.ask(HEAD[:20], HEAD[20:]) == READ
        assert await client.ask(HEAD[:-1], HEAD[-1:]) == READ
        assert await client.ask(HEAD) == REPEATED


async def test_pipelined_heads_are_read_in_order() -> None:
    """Two heads in one piece are no repeat of either."""
    async with open_http(App(), host="127.0.0.1", port=0) as server, connected(server) as client:
        assert [await client.ask(HEAD) for _ in range(2)] == [READ, REPEATED]
        for _ in range(2):
            assert await client.ask(HEAD + HEAD) == READ
            assert await client.ask() == READ
        assert await client.ask(HEAD) == REPEATED


async def test_a_connection_that_closes_is_not_remembered() -> None:
    """The head of its last request is read each time, and the connection ends."""
    app, last = App(), HEAD.replace(b"host", b"connection: close\r\nhost")
    async with open_http(app, host="127.0.0.1", port=0) as server:
        for _ in range(2):
            async with connected(server) as client:
                assert await client.ask(last) == READ
                assert await client.closed()

    assert app.extension == [False, False]


async def test_a_folded_id_is_refused_beside_a_repeat() -> None:
    """What is left of such a head without its first line is no head that was ever answered."""
    folded = HEAD.replace(b"\r\n\r\n", b"\r\nX-Request-ID: one\r\n two\r\n\r\n")
    async with open_http(App(), host="127.0.0.1", port=0) as server, connected(server) as client:
        assert [await client.ask(HEAD) for _ in range(2)] == [READ, REPEATED]
        client.writer.write(folded)
        async with asyncio.timeout(20):
            assert (await client.reader.read()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("primed", [HEAD, HEAD + b"\r\n"])
async def test_what_follows_a_head_is_read(primed: bytes) -> None:
    """A line that looks like a request id, behind the head in the same piece, is no part of it."""
    app = App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        async with connected(server) as client:
            assert await client.ask(primed) == READ
        for _ in range(3):
            async with connected(server) as client:
                assert await client.ask(HEAD + b"X-Request-ID: foo\r\n\r\n") == READ
                async with asyncio.timeout(20):
                    await client.reader.read()  # It is no request: the connection ends.

    assert b"foo" not in app.ids


async def test_an_answer_that_declines_or_fails_is_forgotten() -> None:
    """The request is read like any other, which may leave another answer."""

    def fail(_: bytes) -> tuple[bytes, bytes]:
        raise ValueError

    app = App({b"/declines": lambda _: None, b"/fails": fail})
    async with open_http(app, host="127.0.0.1", port=0) as server, connected(server) as client:
        for target in app.answers:
            head = HEAD.replace(b"/", target, 1)
            assert [await client.ask(head) for _ in range(3)] == [READ] * 3


async def test_the_oldest_head_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is bounded."""
    monkeypatch.setattr(repeated_heads, "HEADS_MAX", 2)
    one, two, three = (HEAD.replace(b"/", target, 1) for target in (b"/1", b"/2", b"/3"))
    async with open_http(App(), host="127.0.0.1", port=0) as server, connected(server) as client:
        assert [await client.ask(each) for each in (one, two, one)] == [READ, READ, REPEATED]
        assert [await client.ask(each) for each in (three, one)] == [READ, REPEATED]
        assert await client.ask(two) == READ


async def test_servers_do_not_share_what_is_left() -> None:
    """Two in one process each ask their own app."""
    async with (
        open_http(App(), host="127.0.0.1", port=0) as one,
        open_http(App(), host="127.0.0.1", port=0) as two,
        connected(one) as client,
        connected(two) as other,
    ):
        assert [await client.ask(HEAD) for _ in range(2)] == [READ, REPEATED]
        assert await other.ask(HEAD) == READ


async def test_repeats_keep_a_connection_open() -> None:
    """It is closed when nothing came for the whole time, not when nothing was read."""
    async with open_http(App(), host="127.0.0.1", port=0) as server, connected(server) as client:
        assert [await client.ask(HEAD) for _ in range(2)] == [READ, REPEATED]
        protocol: Any = next(iter(server.server_state.connections))

        protocol.timeout_keep_alive_handler()
        assert await client.ask(HEAD) == REPEATED

        protocol.timeout_keep_alive = 0
        protocol.timeout_keep_alive_handler()
        assert await client.closed()
