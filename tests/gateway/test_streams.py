"""Streams: events, how many may be open, when each ends, and that a client's leaving is noticed."""

import asyncio
import json
import re

import pytest
from chassis.errors import ServiceError, Unavailable
from chassis.lifecycle import Stop
from devstack.valkey import Valkey
from gateway.streams import delivery
from gateway.streams import event_stream as events
from prometheus_client import REGISTRY

from tests.chassis.waiting import until
from tests.gateway.stack import FakeUpstream, Gateway, serving_gateway, serving_users, settings
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS


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


async def test_state_first_then_changes(gateway: Gateway, upstream: FakeUpstream) -> None:
    """Each message is one event, named by its oneof, with an id to come back by."""
    async with gateway.http.stream("GET", "/api/health/stream", headers={"Last-Event-ID": "7"}) as answer:
        lines = answer.aiter_lines()
        state = await read(lines)
        upstream.changes.put_nowait("postgres")
        change = await read(lines)

    assert answer.headers["content-type"] == "text/event-stream"
    assert upstream.calls == ["StreamHealth 7"]
    assert (state["event"], state["id"]) == ("state", "1")
    assert json.loads(state["data"])["status"] == "healthy"
    assert (change["event"], change["id"]) == ("change", "2")
    assert json.loads(change["data"])["name"] == "postgres"
    assert json.loads(change["data"])["state"] == "down"


async def test_a_header_that_comes_twice(gateway: Gateway, upstream: FakeUpstream) -> None:
    """It is refused, not joined to a value that no client has sent."""
    twice = [("Last-Event-ID", "1"), ("Last-Event-ID", "2")]
    refused = await gateway.http.get("/api/health/stream", headers=twice)

    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "last_event_id")
    assert upstream.calls == []


async def test_silence_is_broken(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments keep proxies from closing a stream that has nothing to say."""
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    async with gateway.http.stream("GET", "/api/health/stream") as answer:
        async for line in answer.aiter_lines():
            if line == ": alive":
                break


async def test_who_never_reads_is_not_written_for(gateway: Gateway, upstream: FakeUpstream) -> None:
    """The service is no longer asked for what would only pile up, and other clients get responses."""
    upstream.flood = True
    address = gateway.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=1024)
    writer.write(b"GET /api/health/stream HTTP/1.1\r\nHost: vestibule\r\n\r\n")
    reader._transport.pause_reading()  # type: ignore[attr-defined]

    async def piles_no_further() -> bool:
        sent = upstream.flooded
        await asyncio.sleep(0.5)
        return 0 < sent == upstream.flooded

    await until(piles_no_further)
    assert (await gateway.http.get("/api/health")).status_code == 200
    assert upstream.flooded < 50_000, "the sockets between hold some megabytes of messages of 1 KB, no more"
    writer.transport.abort()
    await until(lambda: upstream.flooded == -1)


async def test_a_stop_ends_streams(gateway: Gateway) -> None:
    """No client waits for a stream that would never end."""
    async with gateway.http.stream("GET", "/api/health/stream") as answer:
        await read(answer.aiter_lines())
        started = asyncio.get_running_loop().time()
        await gateway.lifecycle.drain(Stop(0, 0, 60))

    assert asyncio.get_running_loop().time() - started < SLOW_MACHINE_SECONDS


def opened() -> float:
    """Returns how many streams the gateway says are open."""
    return REGISTRY.get_sample_value("gateway_streams_open", {"method": "StreamHealth"}) or 0.0


async def ask(
    gateway: Gateway, *heads: str, behind_it: str = ""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Asks for the stream by a connection of its own and reads until the first event is there."""
    address = gateway.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = "\r\n".join(("GET /api/health/stream HTTP/1.1", "Host: vestibule", *heads))
    writer.write(f"{head}\r\n\r\n{behind_it}".encode())
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        await reader.readuntil(b"event: state")
    return reader, writer


ANOTHER = "GET /health HTTP/1.1\r\nHost: vestibule\r\n\r\n"


@pytest.mark.parametrize(
    "behind_it", ["", ANOTHER, ANOTHER * 50], ids=["alone", "pipelined", "many pipelined"]
)
@pytest.mark.parametrize("later", ["", ANOTHER, "nonsense\r\n\r\n"], ids=["quiet", "asks again", "nonsense"])
async def test_leaving_ends_the_call(
    gateway: Gateway, upstream: FakeUpstream, behind_it: str, later: str
) -> None:
    """The service is silent, and learns within a second that the client has left; so does the registry."""
    for _ in range(3):
        _, writer = await ask(gateway, behind_it=behind_it)
        assert (opened(), upstream.listeners) == (1, 1)
        writer.write(later.encode())
        await asyncio.sleep(0.05)
        writer.close()
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            while opened() or upstream.listeners:  # noqa: ASYNC110 there is no event to wait for
                await asyncio.sleep(0.01)


async def test_leaving_before_the_first_message(gateway: Gateway, upstream: FakeUpstream) -> None:
    """A client that leaves while the head is held back frees its place too."""
    upstream.answering.clear()
    address = gateway.http.base_url
    _, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"GET /api/health/stream HTTP/1.1\r\nHost: vestibule\r\n\r\n")
    await until(lambda: upstream.listeners == 1)
    writer.close()
    await until(lambda: not opened() and not upstream.listeners)


async def test_a_client_has_so_many_streams(
    auth: AuthStandIn, upstream: FakeUpstream, valkey: Valkey
) -> None:
    """One more is refused by an ordinary response; another client or one after a close is not."""
    async with serving_users(upstream) as users:
        given = settings(auth, users, valkey, rate_limits="off", trusted_proxies="127.0.0.0/8")
        async with serving_gateway(given) as gateway:
            same_client = [f"X-Forwarded-For: 2001:db8::{number:x}" for number in range(20)]
            held = [await ask(gateway, header) for header in same_client]
            refused = await gateway.http.get(
                "/api/health/stream", headers={"X-Forwarded-For": "2001:db8::ffff"}
            )
            other = await ask(gateway, "X-Forwarded-For: 2001:db8:0:1::1")
            held.pop()[1].close()
            await until(lambda: opened() == 20)
            again = await ask(gateway, same_client[0])
            for _, writer in (*held, other, again):
                writer.close()
            await until(lambda: not opened())

    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "RATE_LIMITED"
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_failure_before_the_first_message(gateway: Gateway, upstream: FakeUpstream) -> None:
    """It is an ordinary answer, not a stream that begins and is silent."""
    upstream.failure = Unavailable(retry_after_seconds=7)
    answer = await gateway.http.get("/api/health/stream")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert answer.headers["retry-after"] == "7"
    assert (
        await gateway.http.get("/api/health/stream", headers={"Last-Event-ID": "x" * 65})
    ).status_code == 422
    await until(lambda: not opened())


async def test_the_head_does_not_wait_for_long(gateway: Gateway, upstream: FakeUpstream) -> None:
    """A service that says nothing at first has a stream that is open within a second or so."""
    upstream.answering.clear()
    started = asyncio.get_running_loop().time()
    async with gateway.http.stream("GET", "/api/health/stream") as answer:
        assert 0.9 < asyncio.get_running_loop().time() - started < SLOW_MACHINE_SECONDS
        assert answer.status_code == 200
        upstream.answering.set()
        assert (await read(answer.aiter_lines()))["event"] == "state"


@pytest.mark.parametrize(("last", "event"), [(None, "end"), (Unavailable(), "error")])
async def test_the_last_event(
    gateway: Gateway, upstream: FakeUpstream, last: ServiceError | None, event: str
) -> None:
    """`end`, or `error` with the contract's object; a stream without one was cut."""
    async with gateway.http.stream("GET", "/api/health/stream") as answer:
        lines = answer.aiter_lines()
        await read(lines)
        upstream.changes.put_nowait(last)
        received = await read(lines)
        rest = [line async for line in lines]

    assert received["event"] == event
    assert event == "end" or json.loads(received["data"])["code"] == "UNAVAILABLE"
    assert not any(rest)


async def test_head_of_an_answer_that_streams(gateway: Gateway, upstream: FakeUpstream) -> None:
    """What proxies must know is in it; HEAD asks the service nothing."""
    async with gateway.http.stream("GET", "/api/health/stream") as answer:
        got = answer.headers
    asked = await gateway.http.head("/api/health/stream")

    assert asked.status_code == 200
    for headers in (got, asked.headers):
        assert headers["content-type"] == "text/event-stream"
        assert headers["x-accel-buffering"] == "no"
        assert headers["cache-control"] == "no-store"
        assert headers["stream-lifetime"] == "3600"
        assert headers["connection"] == "close"
        assert "content-length" not in headers
    assert got["transfer-encoding"] == "chunked"
    assert upstream.calls == ["StreamHealth "]


async def test_http_1_0_has_no_chunks(gateway: Gateway, upstream: FakeUpstream) -> None:
    """Its clients would take the chunks' lengths for the text; the end of the connection is the end."""
    address = gateway.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"GET /api/health/stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    head, _, begin = (await reader.readuntil(b"event: state")).partition(b"\r\n\r\n")
    upstream.changes.put_nowait(None)
    rest = await reader.read()
    writer.close()

    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert begin.startswith(b": connected")
    assert rest.endswith(b'event: end\ndata: {"reason":"finished"}\n\n')


async def test_a_stop_says_when_to_come_back(gateway: Gateway) -> None:
    """Clients learn when to come back, each at another time; one that reads nothing is cut off."""
    _, deaf = await ask(gateway)
    deaf.transport.pause_reading()  # type: ignore[attr-defined]
    reader, writer = await ask(gateway)
    await gateway.lifecycle.drain(Stop(0, 0, 5))
    rest = await reader.read()
    writer.close()
    deaf.transport.abort()

    assert re.search(rb'retry: \d+\nevent: end\ndata: {"reason":"draining"}\n\n', rest)


async def test_a_client_that_takes_nothing_is_cut_off_in_the_end(
    gateway: Gateway, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream whose life is over does not wait for its client."""
    monkeypatch.setattr(delivery, "LAST_PART_SECONDS", 0.2)
    upstream.flood = True
    address = gateway.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=1024)
    writer.write(b"GET /api/health/stream HTTP/1.1\r\nHost: vestibule\r\n\r\n")
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    flooded = 0
    while flooded < 100 or flooded < upstream.flooded:
        flooded = upstream.flooded
        await asyncio.sleep(0.5)
    started = asyncio.get_running_loop().time()
    await gateway.lifecycle.drain(Stop(0, 0, 60))

    assert asyncio.get_running_loop().time() - started < SLOW_MACHINE_SECONDS
    await until(lambda: upstream.flooded == -1)
    writer.transport.abort()
