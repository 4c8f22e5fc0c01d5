"""Streams of health end when their clients leave, in any way."""

import asyncio
import re
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from vestibule.health.v1 import health_service_pb2 as pb
from vestibule.health.v1.health_service_pb2_grpc import HealthServiceStub

from tests.chassis.waiting import until
from tests.health_aggregator.test_process import Aggregator, as_gateway, running
from tests.waiting import SLOW_MACHINE_SECONDS

pytestmark = pytest.mark.nightly


async def test_streams_end_while_nothing_is_sent(tmp_path: Path) -> None:
    """Soon after the client has cancelled, although no send could fail."""
    async with (
        running(Aggregator(tmp_path)) as aggregator,
        grpc.aio.insecure_channel(f"127.0.0.1:{aggregator.grpc_port}") as channel,
    ):
        streams = await _listen(channel, 200)
        assert await _listeners(aggregator) == 200
        for each in streams:
            each.cancel()
        await _until_none_listens(aggregator)


async def test_streams_end_when_a_gateway_disappears(tmp_path: Path) -> None:
    """The kernel closes its connection; no stream is cancelled."""
    async with running(Aggregator(tmp_path)) as aggregator:
        relays: set[asyncio.StreamWriter] = set()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, here = await asyncio.open_connection("127.0.0.1", aggregator.grpc_port)
            relays.update((writer, here))
            await asyncio.gather(_forward(reader, here), _forward(there, writer), return_exceptions=True)

        between = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = between.sockets[0].getsockname()[1]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            streams = await _listen(channel, 200)
            assert await _listeners(aggregator) == 200
            between.close()
            for writer in relays:
                writer.transport.abort()
            await _until_none_listens(aggregator)
            del streams


async def _listen(channel: grpc.aio.Channel, count: int) -> list[Any]:
    stub: Any = HealthServiceStub(channel)
    streams = [
        stub.StreamHealth(pb.StreamHealthRequest(), metadata=as_gateway(), wait_for_ready=True)
        for _ in range(count)
    ]
    await asyncio.gather(*(each.read() for each in streams))
    return streams


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()


async def _until_none_listens(aggregator: Aggregator) -> None:
    async def none_listens() -> bool:
        return await _listeners(aggregator) == 0

    await until(none_listens, seconds=SLOW_MACHINE_SECONDS)


async def _listeners(aggregator: Aggregator) -> float:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{aggregator.http_port}/metrics")).text
    found = re.search(r"^health_listeners (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])
