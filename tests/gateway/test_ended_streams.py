"""Content streams that are to end before they have begun."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest
from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from gateway.http.request import Request
from gateway.streams.bounds import Bounds
from gateway.streams.content_stream import ContentStream
from gateway.streams.ends import DRAINING
from gateway.streams.open_stream import Holder, OpenStream
from gateway.streams.service_messages import ServiceMessages

HOLDER = Holder("Play", "192.0.2.1", Caller())


class Client:
    """A client that stays."""

    async def gone(self) -> None:
        """Waits for ever."""
        await asyncio.Event().wait()


async def test_a_content_stream_that_ends_before_it_begins() -> None:
    """Also without an error: it is refused at once, and not waited for."""

    async def silent() -> AsyncGenerator[bytes, None]:
        await asyncio.Event().wait()
        yield b""

    stream = OpenStream("a", HOLDER, Bounds(), lambda _: None)
    messages = ServiceMessages(silent(), stream)
    content = ContentStream(cast("Request", Client()), messages)
    stream.end(DRAINING)
    with pytest.raises(Unavailable):
        async with asyncio.timeout(5):
            await content.begin()
    assert messages.end is DRAINING
    await content.close()
