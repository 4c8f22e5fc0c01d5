"""What an answer writes in parts goes out as one, in order, and before the connection closes."""

import asyncio
from typing import Any

from chassis.gathering import GatheringTransport


class Wire:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


async def test_parts_of_one_turn_are_one_write() -> None:
    wire: Any = Wire()
    gathering = GatheringTransport(wire, asyncio.get_running_loop())
    gathering.write(b"head ")
    gathering.write(b"body")
    await asyncio.sleep(0)
    gathering.write(b"next")
    await asyncio.sleep(0)

    assert wire.done == [b"head body", b"next"]


async def test_nothing_is_left_behind_when_the_connection_closes() -> None:
    wire: Any = Wire()
    gathering = GatheringTransport(wire, asyncio.get_running_loop())
    gathering.write(b"last words")
    gathering.close()
    await asyncio.sleep(0)

    assert wire.done == [b"last words", "closed"]
    assert gathering.is_closing(), "what it does not gather is the transport's own"
