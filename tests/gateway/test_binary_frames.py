"""Requests of binary frames and contents of responses, as they are written and read without a message."""

import random

import pytest
from chassis.grpc.stream_policy import binary_field
from gateway.streams.binary_frames import BinaryRequests, compile_content
from google.protobuf.message import DecodeError

from tests.fakes.echo_service import message, message_type
from tests.gateway.streaming import Echo

REQUEST, RESPONSE = "TalkRequest", "TalkResponse"
LENGTHS = [1, 127, 128, 3_200, 16_383, 16_384, 65_536]


def binary_requests() -> BinaryRequests:
    """Returns what makes requests of the echo service."""
    field = binary_field(message_type(REQUEST).DESCRIPTOR)
    assert field is not None
    return BinaryRequests(field)


def only_content(raw: bytes) -> bytes:
    """Returns the sound of a response that is nothing else."""
    field = binary_field(message_type(RESPONSE).DESCRIPTOR)
    assert field is not None
    return compile_content(field)(raw)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("room", ["blue", ""])
def test_requests_are_those_of_messages(room: str, length: int) -> None:
    """Later ones differ from the first by the content alone."""
    requests, data = binary_requests(), b"\x01" * length
    requests.learn(message(REQUEST, room=room, audio=b"the first"))
    written = requests.write(data)
    assert written is not None
    assert message_type(REQUEST).FromString(written) == message(REQUEST, room=room, audio=data)


def test_what_is_read_in_full() -> None:
    """The first, an empty one, and one that breaks the field's rules."""
    requests = binary_requests()
    assert requests.write(b"x") is None
    requests.learn(message(REQUEST, room="blue", audio=b"x"))
    assert requests.write(b"") is None
    assert requests.write(b"x" * 65_537) is None


@pytest.mark.parametrize("length", LENGTHS)
def test_contents_are_those_of_messages(length: int) -> None:
    """Only of messages that hold nothing else."""
    data = b"\x1a" * length
    assert only_content(message(RESPONSE, audio=data).SerializeToString()) == data
    assert only_content(message(RESPONSE, audio=data, room="blue").SerializeToString()) == b""
    assert only_content(message(RESPONSE, said="x" * length).SerializeToString()) == b""


def test_contents_of_anything() -> None:
    """What is taken for the content of some bytes is what protobuf finds in them, and nothing besides."""
    found = 0
    for seed in range(20_000):
        chance = random.Random(seed)
        raw = message(
            RESPONSE, audio=chance.randbytes(chance.choice([0, 1, 2, 130, 300]))
        ).SerializeToString()
        changed = bytearray(raw)
        for _ in range(chance.randrange(3)):
            changed[chance.randrange(min(4, len(changed)))] = chance.choice([0, 1, 2, 26, 128, 129, 255])
        changed += message(RESPONSE, flooded=1).SerializeToString() * (chance.random() < 0.1)
        raw = bytes(changed)
        if data := only_content(raw):
            found += 1
            assert message_type(RESPONSE).FromString(raw) == message(RESPONSE, audio=data), seed
        else:
            assert not _is_only_sound(raw), seed
    assert found > 5_000


def _is_only_sound(raw: bytes) -> bool:
    try:
        read = message_type(RESPONSE).FromString(raw)
    except DecodeError:
        return False
    return bool(read.audio) and raw == message(RESPONSE, audio=read.audio).SerializeToString()


async def test_every_frame_has_the_fields_of_the_path(echo: Echo) -> None:
    """Between them come frames of another kind."""
    async with echo.talk() as client:
        for sent in (b"a", b"", b"b" * 200, '{"say":"c"}', b"d" * 3_200):
            await client.send(sent)
            received = await client.recv()
            if isinstance(sent, bytes):
                assert received == sent
    assert echo.service.rooms == ["blue"] * 5
