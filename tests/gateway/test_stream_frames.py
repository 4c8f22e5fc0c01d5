"""Whatever frames arrive, the gateway stays up, closes by a documented code and keeps nothing."""

import asyncio
import os
import re
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.chassis.waiting import until
from tests.gateway.streaming import TALK, Echo, closed, opened
from tests.waiting import SLOW_MACHINE_SECONDS

PAGE = Path(__file__).parents[2] / "docs" / "streams.md"
DOCUMENTED = {int(code) for code in re.findall(r"^\| (\d{4}) \|", PAGE.read_text(), re.MULTILINE)}

TEXTS = [
    b'{"say":"a"}',
    b'{"end":true}',
    b'{"end":true,"say":"a"}',
    b'{"auth":"x"}',
    b'{"auth":{}}',
    b'{"flood":50}',
    b'{"stop":true}',
    b'{"room":"red"}',
    b"{}",
    b"null",
    b'{"say":"\\ud800"}',
    b"\xff\xfe",
    b'{"say":' + b"[" * 10_000,
]


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """Returns a frame, well formed or not."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


FRAMES = st.builds(
    frame,
    st.sampled_from([0, 1, 1, 1, 2, 3, 8, 9, 10, 15]),
    st.one_of(st.sampled_from(TEXTS), st.binary(max_size=200)),
    fin=st.sampled_from([True, True, True, False]),
    masked=st.sampled_from([True, True, True, True, False]),
    reserved=st.sampled_from([0, 0, 0, 0, 4]),
)
BYTES = st.one_of(FRAMES, st.binary(max_size=64))


async def outcome(socket: ClientConnection, sent: bytes) -> int:
    """Sends bytes past the client's own framing; returns the code by which the gateway closed, 0 for none."""
    socket.transport.write(sent)
    try:
        async with asyncio.timeout(0.3):
            code, _ = await closed(socket)
    except TimeoutError:
        return 0
    return code


@pytest.mark.parametrize("number", [80, pytest.param(300, marks=pytest.mark.nightly)])
async def test_any_frames(echo: Echo, number: int) -> None:
    """Each random sequence ends by a documented code or goes on."""
    sequences: list[bytes] = []

    @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(BYTES, max_size=6))
    def draw(frames: list[bytes]) -> None:
        sequences.append(b"".join(frames))

    await asyncio.to_thread(draw)

    async def run(sequence: bytes) -> int:
        socket = await echo.talk()
        try:
            return await outcome(socket, sequence)
        finally:
            socket.transport.abort()

    codes: set[int] = set()
    for begin in range(0, len(sequences), 4):
        codes |= set(await asyncio.gather(*(run(each) for each in sequences[begin : begin + 4])))
    # 1005 and 1006 are the client's own words for a close without a code, and for none; a close frame
    # with any code of an application (3000 to 4999) gets the same code back.
    assert codes - {0, 1005, 1006} - set(range(3000, 5000)) <= DOCUMENTED
    assert (await echo.http.get("/health")).status_code == 200
    await until(lambda: opened() == 0 and echo.service.open == 0)


async def test_bytes_before_the_answer(echo: Echo) -> None:
    """A client that does not wait for the upgrade gets none: what it sends is not taken for requests."""
    host, port = echo.http.base_url.host, echo.http.base_url.port
    head = (
        f"GET {TALK} HTTP/1.1\r\nHost: vestibule\r\nAuthorization: Bearer {echo.token()}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    smuggled = b"GET /api/echo/who HTTP/1.1\r\nHost: vestibule\r\n\r\n"
    for following in (frame(1, b'{"say":"a"}'), smuggled):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(head.encode() + following)
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            answer = await reader.read()
        assert b"101" not in answer
        writer.close()
    await until(lambda: opened() == 0)


async def test_one_byte_at_a_time(echo: Echo) -> None:
    """Frames that dribble in are put together."""
    socket = await echo.talk()
    for byte in frame(1, b'{"say":"a"}'):
        socket.transport.write(bytes([byte]))
        await asyncio.sleep(0.005)
    assert b'"a"' in (await socket.recv(decode=False))
    await socket.close()
    with pytest.raises(ConnectionClosed):
        await socket.recv()
