"""A client that closes right after its last message: the service gets the message before the stream ends."""

import time

import pytest
from gateway.streams import two_way_stream

from tests.chassis.waiting import until
from tests.gateway.streaming import Echo, opened
from tests.gateway.test_stream_frames import frame
from tests.waiting import SLOW_MACHINE_SECONDS, WITHIN_SECONDS

CLOSE = frame(8, b"\x03\xe8")


@pytest.mark.parametrize("number", [1, 50])
async def test_a_message_and_a_close_at_once(
    echo: Echo, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one packet, or nearly: what was sent before the close is not lost."""
    monkeypatch.setattr(two_way_stream, "LEAVE_SECONDS", WITHIN_SECONDS)
    for turn in range(1, 11):
        client = await echo.talk()
        client.transport.write(frame(1, b'{"say":"a"}') * number + CLOSE)
        await client.wait_closed()
        assert client.close_code == 1000
        await until(lambda: not opened() and not echo.service.open)
        assert echo.service.received == turn * number


async def test_the_service_learns_that_no_more_follows(echo: Echo) -> None:
    """Its last messages have no reader any more, and do not keep it from ending."""
    client = await echo.talk("", "/api/echo/collect")
    client.transport.write(frame(1, b'{"word":"a"}') + CLOSE)
    await client.wait_closed()
    await until(lambda: not opened("Collect") and not echo.service.open)

    assert (echo.service.received, echo.service.cancelled) == (1, 0)


async def test_a_service_that_does_not_end_is_cancelled(echo: Echo) -> None:
    """Within a second of the close, whatever it does."""
    client = await echo.talk()
    await client.send('{"sleep_milliseconds": 60000}')
    await until(lambda: echo.service.received == 1)
    started = time.monotonic()
    client.transport.write(frame(1, b'{"say":"a"}') * 20 + CLOSE)
    await until(lambda: not opened() and not echo.service.open)

    assert time.monotonic() - started < SLOW_MACHINE_SECONDS


async def test_the_slot_is_free_at_once(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the service takes its time: a page that is loaded again opens its stream again."""
    monkeypatch.setattr(two_way_stream, "LEAVE_SECONDS", SLOW_MACHINE_SECONDS)
    token = echo.token()
    held = [await echo.talk(token) for _ in range(4)]
    await held[0].send('{"sleep_milliseconds": 60000}')
    await until(lambda: echo.service.received == 1)

    await held[0].close()
    await until(lambda: opened() == 3, seconds=SLOW_MACHINE_SECONDS / 2)
    held[0] = await echo.talk(token)

    for socket in held:
        await socket.close()
