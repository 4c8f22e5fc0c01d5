"""What is not the WebSocket protocol closes by 1002; what comes too slowly, too often or never ends too."""

import asyncio
import time

import pytest
from gateway.streams import frame_protocol, websocket
from gateway.streams.inbox import FRAGMENTS_MAX

from tests.chassis.waiting import until
from tests.gateway.streaming import Echo, closed, opened
from tests.gateway.test_stream_frames import frame
from tests.waiting import SLOW_MACHINE_SECONDS

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
WORD = b'{"say":"a"}'


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(TEXT, WORD, masked=False), 1002, id="not masked"),
        pytest.param(frame(TEXT, WORD, reserved=4), 1002, id="reserved bit"),
        pytest.param(frame(3, WORD), 1002, id="reserved opcode"),
        pytest.param(frame(CONTINUATION, WORD), 1002, id="continues nothing"),
        pytest.param(frame(TEXT, b"{", fin=False) + frame(TEXT, WORD), 1002, id="begins within a message"),
        pytest.param(frame(PING, b"", fin=False), 1002, id="fragmented ping"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="long ping"),
        pytest.param(frame(CLOSE, b"\x03"), 1002, id="half a close code"),
        pytest.param(frame(CLOSE, b"\x03\xed"), 1002, id="close code 1005"),
        pytest.param(b"\x82\xff" + b"\xff" * 8 + b"\0" * 4, 1009, id="length beyond 63 bits"),
        pytest.param(frame(TEXT, b"\xff\xfe"), 1007, id="text that is not UTF-8"),
        pytest.param(frame(TEXT, WORD[:3], fin=False) + frame(CONTINUATION, b"\xff"), 1007, id="UTF-8"),
        pytest.param(
            frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * FRAGMENTS_MAX,
            1009,
            id="fragments without end",
        ),
        pytest.param(frame(BINARY, b"x" * 40_000, fin=False) + frame(0, b"x" * 40_000), 1009, id="large sum"),
        pytest.param(b"\x82\xff" + (1 << 20).to_bytes(8) + b"\0" * 4, 1009, id="1 MiB is announced"),
        pytest.param(frame(PING, b"") * (websocket.CONTROL_FRAMES_MAX + 1), 1008, id="pings without end"),
        pytest.param(frame(PONG, b"") * (websocket.CONTROL_FRAMES_MAX + 1), 1008, id="pongs without end"),
    ],
)
async def test_what_is_wrong(echo: Echo, sent: bytes, code: int) -> None:
    """Each by the code that says so, at once, and nothing of it reaches the service."""
    client = await echo.talk()
    client.transport.write(sent)
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        assert (await closed(client))[0] == code
    await until(lambda: not opened() and not echo.service.open)
    assert echo.service.received == 0


async def test_what_is_right(echo: Echo) -> None:
    """Fragments with pings between them are one message."""
    async with echo.talk() as client:
        parts = frame(TEXT, WORD[:4], fin=False), frame(PING, b"x"), frame(CONTINUATION, WORD[4:])
        client.transport.write(b"".join(parts))
        assert b'"a"' in await client.recv(decode=False)


async def test_a_ping_is_no_part_of_the_message(echo: Echo) -> None:
    """Between two fragments of the largest message a ping may have all its 125 bytes."""
    async with echo.talk(max_size=None) as client:
        client.transport.write(frame(BINARY, b"x" * 65_535, fin=False) + frame(PING, b"x" * 125))
        client.transport.write(frame(CONTINUATION, b"x"))
        assert await client.recv() == b"x" * 65_536


@pytest.mark.parametrize("at_once", [True, False])
async def test_fragments_are_parsed_at_a_bounded_rate(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """Empty ones wait for no service; a message in many pieces still arrives, and so does what follows."""
    monkeypatch.setattr(frame_protocol, "FRAGMENTS_AT_ONCE", 20)
    monkeypatch.setattr(frame_protocol, "FRAGMENTS_PER_SECOND", 100)
    async with echo.talk() as client:
        started = time.monotonic()
        pieces = [frame(TEXT, WORD[:4], fin=False), *[frame(CONTINUATION, b"", fin=False)] * 80]
        for piece in [b"".join(pieces)] if at_once else pieces:
            client.transport.write(piece)
            await asyncio.sleep(0.001)
        client.transport.write(frame(CONTINUATION, WORD[4:]))
        for _ in range(2):
            assert b'"a"' in await client.recv(decode=False)
            await client.send(WORD)
        assert time.monotonic() - started > 0.5


async def test_a_peer_that_vanishes(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a FIN: its connection stays, but the pings are not answered any more."""
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.5)
    client, other = await echo.talk(), await echo.talk()
    client.transport.pause_reading()
    started = time.monotonic()
    await until(lambda: opened() == 1)

    assert time.monotonic() - started > 0.5
    await other.send(WORD)
    await other.recv()
    await other.close()
    client.transport.abort()
