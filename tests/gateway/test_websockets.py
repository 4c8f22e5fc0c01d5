"""Streams both ways: a real WebSocket client, real gateways, a real gRPC service behind them."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from gateway.streams import two_way_stream, websocket
from gateway.streams.frame_protocol import PART_BYTES

from tests.chassis.waiting import until
from tests.gateway.streaming import TALK, Echo, closed, opened, refused


async def test_text_and_binary_both_ways(echo: Echo) -> None:
    """Text frames are JSON of requests and responses; a binary frame is the field that the proto marks."""
    async with echo.talk() as socket:
        await socket.send(json.dumps({"say": "hello"}))
        said = json.loads(await socket.recv())
        await socket.send(b"\x00\x01sound")
        audio = await socket.recv()
        await socket.send('{"stop": true}')
        end = await closed(socket)

    assert said == {"room": "blue", "said": "hello"}
    assert audio == b"\x00\x01sound"
    assert end == (1000, "")
    await until(lambda: echo.service.open == 0 and opened() == 0)


async def test_client_streams(echo: Echo) -> None:
    """Many in, one out: the client says that it has ended, and gets the one response."""
    async with echo.talk("", "/api/echo/collect") as socket:
        for word in ("a", "b"):
            await socket.send(json.dumps({"word": word}))
        await socket.send('{"end": true}')
        text = json.loads(await socket.recv())
        end = await closed(socket)

    assert text == {"text": "a b"}
    assert end == (1000, "")


async def test_what_the_service_learns(echo: Echo) -> None:
    """The caller's token, the request's id and address; the headers say how long the stream may last."""
    token = echo.token()
    async with echo.talk(token, headers={"X-Request-ID": "me"}) as socket:
        await socket.send('{"say": "a"}')
        await socket.recv()
        assert socket.response is not None
        headers = socket.response.headers

    assert echo.service.metadata is not None
    assert echo.service.metadata["authorization"] == f"Bearer {token}"
    assert echo.service.metadata["x-request-id"] == "me"
    assert headers["X-Request-ID"] == "me"
    assert headers["Stream-Lifetime"] == "600"


async def test_token_of_a_browser(echo: Echo) -> None:
    """It comes as a subprotocol, and the other one that is offered is chosen."""
    offered: Any = ["vestibule.v1", f"bearer.{echo.token()}"]
    async with echo.talk("", subprotocols=offered) as socket:
        await socket.send('{"say": "a"}')
        assert json.loads(await socket.recv())["said"] == "a"
        assert socket.subprotocol == "vestibule.v1"


async def test_refused_before_the_upgrade(echo: Echo) -> None:
    """By the status that any other request would get, in the envelope."""
    assert await refused(echo.talk("")) == (401, "UNAUTHENTICATED")
    assert await refused(echo.talk("nonsense")) == (401, "TOKEN_INVALID")
    assert await refused(echo.talk("", f"{TALK}?access_token={echo.token()}")) == (401, "UNAUTHENTICATED")
    assert await refused(echo.talk(echo.token(seconds=-60))) == (401, "TOKEN_EXPIRED")
    assert await refused(echo.talk(origin="https://evil.example")) == (403, "FORBIDDEN")
    long_room = f"/api/echo/rooms/{'r' * 33}/talk"
    assert await refused(echo.talk(path=long_room)) == (422, "VALIDATION_ERROR")
    async with echo.talk(origin="https://app.example"):
        pass
    async with echo.talk(origin=str(echo.http.base_url).rstrip("/")):
        pass
    await echo.server.stop(0)
    assert await refused(echo.talk()) == (503, "UNAVAILABLE")
    await until(lambda: opened() == 0)


async def test_plain_requests(echo: Echo) -> None:
    """The route is a WebSocket's; other routes do not become one."""
    headers = {"Authorization": f"Bearer {echo.token()}"}
    plain = await echo.http.get(TALK, headers=headers)
    posted = await echo.http.post(TALK, headers=headers)
    offer = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    old = await echo.http.get(TALK, headers=headers | offer | {"Sec-WebSocket-Version": "8"})
    keyless = await echo.http.get(
        TALK, headers=headers | offer | {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    )
    elsewhere = await echo.http.get("/api/echo/who", headers=headers | offer)

    assert (plain.status_code, plain.json()["error"]["code"]) == (426, "UPGRADE_REQUIRED")
    assert plain.headers["upgrade"] == "websocket"
    assert plain.headers["sec-websocket-version"] == "13"
    assert posted.status_code == 405
    assert old.status_code == 426
    assert (keyless.status_code, keyless.json()["error"]["code"]) == (400, "BAD_REQUEST")
    assert elsewhere.status_code == 200


async def test_the_service_refuses_at_once(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that comes right away is an answer by HTTP, not a WebSocket that closes."""
    monkeypatch.setattr(two_way_stream, "ADMISSION_SECONDS", 5.0)

    for refusal, status in (
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 503),
        (grpc.StatusCode.INTERNAL, 500),
        (grpc.StatusCode.UNAVAILABLE, 503),
    ):
        echo.service.refusal = refusal
        assert (await refused(echo.talk()))[0] == status


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        ("not json", 1007, "INVALID_JSON"),
        ("[]", 1007, "INVALID_JSON"),
        ('{"unknown": 1}', 1007, "VALIDATION_ERROR"),
        ('{"say": 1}', 1007, "VALIDATION_ERROR"),
        ('{"say": "' + "x" * 1001 + '"}', 1007, "VALIDATION_ERROR"),
        ('{"audio": "not base64"}', 1007, "VALIDATION_ERROR"),
        ('{"say": "' + "x" * 70_000 + '"}', 1009, "PAYLOAD_TOO_LARGE"),
        (b"x" * 65_537, 1009, "PAYLOAD_TOO_LARGE"),
        (b"x" * 1_100_000, 1009, "PAYLOAD_TOO_LARGE"),
        ('{"auth": "nonsense"}', 4401, "TOKEN_INVALID"),
        ('{"auth": 7}', 1007, "INVALID_JSON"),
        ('{"end": false}', 1007, "INVALID_JSON"),
        ('{"fail": "INTERNAL"}', 1011, "INTERNAL"),
        ('{"fail": "FORBIDDEN"}', 4403, "FORBIDDEN"),
        ('{"fail": "TOO_MANY"}', 4429, "RATE_LIMITED"),
        ('{"fail": "RESOURCE_EXHAUSTED"}', 1013, "UNAVAILABLE"),
        ('{"fail": "UNAVAILABLE"}', 1013, "UNAVAILABLE"),
        ('{"fail": "NO_SUCH_ROOM"}', 1008, "NOT_FOUND"),
    ],
)
async def test_close_codes(echo: Echo, frame: str | bytes, code: int, reason: str) -> None:
    """What is no message, and what the service refuses, ends the stream by the code that says so."""
    async with echo.talk(max_size=None) as socket:
        await socket.send(frame)
        assert await closed(socket) == (code, reason)
    await until(lambda: echo.service.open == 0 and opened() == 0)


async def test_binary_where_no_field_is_marked(echo: Echo) -> None:
    """There is no field that the bytes could be."""
    async with echo.talk("", "/api/echo/collect") as socket:
        await socket.send(b"x")
        assert await closed(socket) == (1003, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("message", ['{"say": "a"}', '{"end": true}'])
async def test_messages_after_the_end(echo: Echo, message: str) -> None:
    """A client that has said that it has ended has ended."""
    async with echo.talk() as socket:
        await socket.send('{"sleep_milliseconds": 2000}')
        await socket.send('{"end": true}')
        await socket.send(message)
        assert await closed(socket) == (1008, "BAD_REQUEST")


async def test_upgrades_need_http_1_1(echo: Echo) -> None:
    """An offer in HTTP/1.0 is none (RFC 9110, 7.8)."""
    base = echo.http.base_url
    reader, writer = await asyncio.open_connection(base.host, base.port)
    writer.write(
        f"GET {TALK} HTTP/1.0\r\nAuthorization: Bearer {echo.token()}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    assert (await reader.readline()).split()[1] == b"426"
    writer.close()


async def test_many_small_frames_are_parsed_in_parts(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served between the parts, and what waits for the service is not parsed at all."""
    most = 0
    take = websocket.WebSocket._take

    def counted(self: websocket.WebSocket, frame: Any) -> None:
        nonlocal most
        take(self, frame)
        most = max(most, len(self._inbox))

    monkeypatch.setattr(websocket.WebSocket, "_take", counted)
    frame = b"\x82\x80\0\0\0\0"
    async with echo.talk() as socket:
        await socket.send('{"sleep_milliseconds": 500}')
        socket.transport.write(frame * 5_000)
        for _ in range(5_000):
            assert await socket.recv() == b""
    assert most <= PART_BYTES / len(frame) + 1
