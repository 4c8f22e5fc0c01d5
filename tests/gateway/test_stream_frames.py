"""Whatever frames arrive, the gateway stays up, closes by a documented code and keeps nothing."""

import asyncio
import itertools
import os
import random
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from gateway.streams.frame_protocol import FrameProtocol, message_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

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


@pytest.fixture
def sequences(request: pytest.FixtureRequest) -> list[bytes]:
    """As many random sequences of frames as the parameter says.

    They are drawn before the gateway runs: it uses `random`, whose state Hypothesis keeps meanwhile.
    """
    drawn: list[bytes] = []

    @settings(
        max_examples=request.param, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(BYTES, max_size=6))
    def draw(frames: list[bytes]) -> None:
        drawn.append(b"".join(frames))

    draw()
    return drawn


@pytest.mark.parametrize("sequences", [80, pytest.param(300, marks=pytest.mark.nightly)], indirect=True)
async def test_any_frames(sequences: list[bytes], echo: Echo) -> None:
    """Each random sequence ends by a documented code or goes on."""

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
    for following in (frame(1, b'{"say":"a"}'), smuggled, head.encode()):
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


LIMIT = 300
"""Of a message, in `test_parsed_as_by_the_library`."""


def _any_frames(chance: random.Random) -> list[bytes]:
    """Returns frames, most of them right.

    Control frames are cut to what the limit leaves of the message around them: the library, unlike ours,
    counts them as a part of it.
    """
    opcodes, wrong = [0, 1, 1, 2, 2, 2, 9, 10], [3, 8]
    frames: list[bytes] = []
    begun, rooms = 0, [LIMIT]
    for _ in range(chance.randrange(12)):
        opcode = chance.choice(opcodes if chance.random() < 0.95 else wrong)
        size = chance.choice([0, 1, 9, 100, 125, 126, 200, 300] + [301] * (chance.random() < 0.1))
        fin = chance.random() < 0.8
        if opcode & 8:
            size = min(size, LIMIT - begun) if size <= 125 else size
        else:
            begun = 0 if fin else min(begun + size, LIMIT)
        frames.append(
            frame(
                opcode,
                chance.randbytes(size),
                fin=fin,
                masked=chance.random() < 0.98,
                reserved=0 if chance.random() < 0.98 else 4,
            )
        )
        rooms.append(LIMIT - begun)
    place = chance.randint(0, len(frames))
    if chance.random() < 0.2:
        frames.insert(place, frame(8, b"\x03\xe8bye"[: rooms[place]]))
    return frames


def test_parsed_as_by_the_library() -> None:
    """However frames are cut on their way, what is parsed here is what the library parses of them."""
    alone = 0
    for seed in range(3_000):
        chance = random.Random(seed)
        frames = _any_frames(chance)
        sent, ends = b"".join(frames), list(itertools.accumulate(map(len, frames)))
        library, ours = Protocol(Side.SERVER, max_size=LIMIT), FrameProtocol(LIMIT)
        library.receive_data(sent)
        cuts = sorted(chance.randint(0, len(sent)) for _ in range(chance.randrange(6)))
        if chance.random() < 0.5:
            cuts = sorted({*cuts, *ends})
        for begin, end in itertools.pairwise([0, *cuts, len(sent)]):
            if (message := ours.only_message(sent[begin:end])) is not None:
                ours.events.append(Frame(Opcode.BINARY, message))
                alone += 1
                continue
            ours.unparsed += sent[begin:end]
            while ours.unparsed:
                ours.parse_part()
        assert _parsed(ours) == _parsed(library), seed
        assert ours.state is library.state, seed
    assert alone > 400


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_messages_of_every_length(length: int) -> None:
    """The largest that is allowed is taken, and one byte more is not."""
    for limit in (length, length - 1):
        ours, sent = FrameProtocol(limit), frame(2, b"x" * length)
        alone = ours.only_message(sent)
        assert alone == (b"x" * length if length <= min(limit, 65_535) else None)
        ours.unparsed += sent
        while ours.unparsed:
            ours.parse_part()
        too_big = limit < length
        assert [data for _, _, data in _frames(ours)] == ([] if too_big else [b"x" * length])
        assert isinstance(ours.parser_exc, PayloadTooBig if too_big else type(None))


def _frames(protocol: Protocol) -> list[tuple[Opcode, bool, bytes]]:
    frames = [event for event in protocol.events_received() if isinstance(event, Frame)]
    return [(each.opcode, each.fin, bytes(each.data)) for each in frames]


def _parsed(protocol: Protocol) -> list[Any]:
    close = protocol.close_sent
    return [*_frames(protocol), type(protocol.parser_exc), None if close is None else close.code]


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 1 << 20])
def test_written_as_by_the_library(length: int) -> None:
    """Messages of every form of length have the library's bytes."""
    for opcode in (Opcode.TEXT, Opcode.BINARY):
        expected = Frame(opcode, b"x" * length).serialize(mask=False)
        assert message_frame(b"x" * length, binary=opcode is Opcode.BINARY) == expected
