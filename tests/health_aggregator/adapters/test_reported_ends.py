"""Components that report their end between two checks, by a connection or stream that stays open."""

import asyncio
from typing import Any

import grpc
import pytest
from chassis.redis_connection import open_connection
from devstack.valkey import Valkey
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from health_aggregator.adapters.grpc_check import GrpcCheck
from health_aggregator.adapters.http_check import HttpCheck
from health_aggregator.adapters.redis_check import RedisCheck
from health_aggregator.domain.check import Outcome

from tests.chassis.waiting import until
from tests.health_aggregator.checking import check_once


async def test_http_of_a_component_wakes_when_the_server_ends_the_connection() -> None:
    """Not when the next check replaces it, nor when the check is closed; soon after another end only once."""
    open_ones: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await reader.read()
        writer.close()

    wakes: list[None] = []
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ready"
        check = HttpCheck(url, wake=lambda: wakes.append(None))
        replaced = [await check_once(check) for _ in range(3)]
        await until(lambda: sum(writer.transport.is_closing() for writer in open_ones) == 2)
        woken_before = len(wakes)
        open_ones[-1].close()
        await until(lambda: len(wakes) == 1)
        again = await check_once(check)
        open_ones[-1].close()
        last = await check_once(check)
        await check.close()
        await until(lambda: all(writer.transport.is_closing() for writer in open_ones))

    assert {result.outcome for result in (*replaced, again, last)} == {Outcome.UP}
    assert (woken_before, len(wakes)) == (0, 1)


async def test_redis_wakes_when_it_ends_the_connection(valkey: Valkey) -> None:
    """A lost connection is detected before the next check; one that the check gives up is none."""
    wakes: list[None] = []
    check = RedisCheck(valkey.url, lambda: wakes.append(None))
    await check_once(check)
    async with open_connection(valkey.url, timeout_seconds=5, client_name="t") as redis:
        await redis.ask(("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
    await until(lambda: len(wakes) == 1)
    lost = await check_once(check)
    again = await check_once(check)
    await check.close()
    await asyncio.sleep(0.05)

    assert (lost.outcome, again.outcome) == (Outcome.DOWN, Outcome.UP)
    assert len(wakes) == 1


class _Peers(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Serves, and notes from where it is asked.

    Attributes:
        peers: The connection of each check.
    """

    def __init__(self) -> None:
        self.peers: list[str] = []
        self.answers = health.aio.HealthServicer()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 the RPC's name
        """Answers."""
        self.peers.append(context.peer())
        return await self.answers.Check(request, context)

    async def Watch(self, request: Any, context: Any) -> Any:  # noqa: N802 the RPC's name
        """Sends what changes."""
        await self.answers.Watch(request, context)


@pytest.mark.parametrize(("interval_seconds", "connections"), [(None, 1), (4.0, 1), (26.0, 3)])
async def test_grpc_of_a_component_replaces_its_connection_before_the_server_ends_it(
    interval_seconds: float | None, connections: int
) -> None:
    """Servers end it after 27 s. A watch that begins again is no change, and reports the next one."""
    servicer = _Peers()
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    wakes: list[None] = []
    check = GrpcCheck(f"127.0.0.1:{port}", "", lambda: wakes.append(None), interval_seconds=interval_seconds)
    results = []
    for _ in range(3):
        results.append(await check_once(check))
        await until(lambda: len(wakes) == 1)
    await servicer.answers.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    await until(lambda: len(wakes) == 2)
    await check.close()
    await server.stop(0)

    assert [result.outcome for result in results] == [Outcome.UP] * 3
    assert len(set(servicer.peers)) == connections
