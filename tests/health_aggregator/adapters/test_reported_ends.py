"""Components that report their end between two checks, by a connection that stays open."""

import asyncio

from chassis.redis_connection import open_connection
from devstack.valkey import Valkey
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
