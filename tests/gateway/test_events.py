"""Streams of messages as Server-Sent Events."""

import asyncio
import json

import pytest
from gateway.http import events

from tests.chassis.waiting import until
from tests.gateway.house import Behind, Edge


async def read(lines: object) -> dict[str, str]:
    """Reads one event; comments are passed over."""
    event: dict[str, str] = {}
    async for line in lines:  # type: ignore[attr-defined]
        if not line and event:
            return event
        name, _, value = line.partition(": ")
        if name:
            event[name] = value
    raise AssertionError("the stream ended")


async def test_state_first_then_changes(edge: Edge, behind: Behind) -> None:
    """Each message is one event, named by its oneof, with an id to come back by."""
    async with edge.http.stream("GET", "/api/health/stream", headers={"Last-Event-ID": "7"}) as answer:
        lines = answer.aiter_lines()
        state = await read(lines)
        behind.changes.put_nowait("postgres")
        change = await read(lines)

    assert answer.headers["content-type"] == "text/event-stream"
    assert behind.calls == ["StreamHealth 7"]
    assert (state["event"], state["id"]) == ("state", "1")
    assert json.loads(state["data"])["status"] == "healthy"
    assert (change["event"], change["id"]) == ("change", "2")
    assert json.loads(change["data"])["name"] == "postgres"
    assert json.loads(change["data"])["state"] == "down"


async def test_silence_is_broken(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments keep proxies from closing a stream that has nothing to say."""
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    async with edge.http.stream("GET", "/api/health/stream") as answer:
        async for line in answer.aiter_lines():
            if line == ": alive":
                break


async def test_who_never_reads_is_not_written_for(edge: Edge, behind: Behind) -> None:
    """The service is no longer asked for what would only pile up, and everybody else is answered."""
    behind.flood = True
    address = edge.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=1024)
    writer.write(b"GET /api/health/stream HTTP/1.1\r\nHost: vestibule\r\n\r\n")
    reader._transport.pause_reading()  # type: ignore[attr-defined]

    async def piles_no_further() -> bool:
        sent = behind.flooded
        await asyncio.sleep(0.5)
        return 0 < sent == behind.flooded

    await until(piles_no_further)
    assert (await edge.http.get("/api/health")).status_code == 200
    assert behind.flooded < 50_000, "the sockets between hold some megabytes of messages of 1 KB, no more"
    writer.transport.abort()
    await until(lambda: behind.flooded == -1)


async def test_a_stop_ends_streams(edge: Edge) -> None:
    """Nobody waits for a stream that would never end."""
    async with edge.http.stream("GET", "/api/health/stream") as answer:
        await read(answer.aiter_lines())
        started = asyncio.get_running_loop().time()
        await edge.lifecycle.drain(0, 5)

    assert asyncio.get_running_loop().time() - started < 2
