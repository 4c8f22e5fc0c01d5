"""Streams of `google.api.HttpBody`: one response whose body is sent while the service makes it."""

import asyncio
import json
import socket
from pathlib import Path

import httpx
import pytest
from chassis.ids import uuid7
from chassis.lifecycle import Stop
from devstack.valkey import Valkey

from tests.chassis.waiting import until
from tests.gateway.streaming import Echo, opened, serving_echo
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS

PLAY = "/api/echo/play"


def bearer(echo: Echo) -> dict[str, str]:
    """Returns the headers of a signed-in user."""
    return {"Authorization": f"Bearer {echo.token()}"}


async def test_the_first_bytes_come_before_the_last_are_made(echo: Echo) -> None:
    """The body is chunked, has the content type of the first message, and is what the service sent."""
    body = {"parts": 3, "part_bytes": 1000, "pause_milliseconds": 300}
    started = asyncio.get_running_loop().time()
    async with echo.http.stream("POST", PLAY, json=body, headers=bearer(echo)) as response:
        chunks = response.aiter_raw()
        first = await anext(chunks)
        first_seconds = asyncio.get_running_loop().time() - started
        made = echo.service.sent
        rest = b"".join([chunk async for chunk in chunks])

    assert response.status_code == 200
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert made < 3
    assert first_seconds < asyncio.get_running_loop().time() - started - 0.5
    assert first + rest == b"\1" * 1000 + b"\2" * 1000 + b"\3" * 1000
    await until(lambda: not opened("Play") and not echo.service.open)


async def test_by_get_and_head(echo: Echo) -> None:
    """Both know the content type, since the service is asked."""
    query = {"parts": 1, "part_bytes": 3, "content_type": "image/png"}
    got = await echo.http.get(PLAY, params=query, headers=bearer(echo))
    asked = await echo.http.head(PLAY, params=query, headers=bearer(echo))
    nothing = await echo.http.get(PLAY, headers=bearer(echo))

    assert (got.status_code, got.headers["content-type"], got.content) == (200, "image/png", b"\1\1\1")
    assert (asked.status_code, asked.headers["content-type"], asked.content) == (200, "image/png", b"")
    assert (nothing.status_code, nothing.headers["content-type"]) == (200, "application/octet-stream")
    assert nothing.content == b""
    await until(lambda: not opened("Play") and not echo.service.open)


async def test_a_failure_before_the_first_message(echo: Echo) -> None:
    """It is an ordinary response, and so is a content type that would be two headers."""
    failed = await echo.http.post(PLAY, json={"parts": 3, "fail_at": 1}, headers=bearer(echo))
    split = await echo.http.post(
        PLAY, json={"parts": 1, "content_type": "text/plain\r\nSet-Cookie: a=b"}, headers=bearer(echo)
    )
    stranger = await echo.http.post(PLAY, json={"parts": 1})

    assert (failed.status_code, failed.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert (split.status_code, split.json()["error"]["code"]) == (500, "INTERNAL")
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
    await until(lambda: not opened("Play") and not echo.service.open)


async def test_a_failure_after_it_cuts_the_connection(echo: Echo, capsys: pytest.CaptureFixture[str]) -> None:
    """A client never takes half of the content for the whole, and the log says why it was cut."""
    body = {"parts": 3, "part_bytes": 10, "pause_milliseconds": 100, "fail_at": 2}
    received = b""
    with pytest.raises(httpx.RemoteProtocolError):
        async with echo.http.stream("POST", PLAY, json=body, headers=bearer(echo)) as response:
            async for chunk in response.aiter_raw():
                received += chunk
    await until(lambda: not opened("Play"))
    await asyncio.sleep(0.1)
    (line,) = [each for each in capsys.readouterr().out.splitlines() if f"route={PLAY}" in each]

    assert received == b"\1" * 10
    assert "status=200" in line
    assert "end=UNAVAILABLE" in line


async def test_revocation_and_leaving(echo: Echo) -> None:
    """Both end the call to the service; a body that is not whole is cut."""
    token = echo.token(session_id=(session := uuid7()))
    body = {"parts": 1000, "part_bytes": 10, "pause_milliseconds": 50}
    with pytest.raises(httpx.TransportError):
        async with echo.http.stream(
            "POST", PLAY, json=body, headers={"Authorization": f"Bearer {token}"}
        ) as response:
            chunks = response.aiter_raw()
            await anext(chunks)
            await echo.revoke(session_id=str(session))
            async with asyncio.timeout(SLOW_MACHINE_SECONDS):
                async for _ in chunks:
                    pass
    async with echo.http.stream("POST", PLAY, json=body, headers=bearer(echo)) as response:
        await anext(response.aiter_raw())
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        await until(lambda: not opened("Play") and not echo.service.open)


async def test_a_slow_reader_gets_little_after_a_revocation(echo: Echo) -> None:
    """The connection is reset: what the kernel holds is not delivered for as long as the client takes."""
    token = echo.token(session_id=(session := uuid7()))
    body = json.dumps({"parts": 400, "part_bytes": 50_000}).encode()
    head = (
        f"POST {PLAY} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", echo.http.base_url.port))
        await loop.sock_sendall(client, head.encode() + body)
        await until(lambda: bool(opened("Play")))
        await asyncio.sleep(1.0)
        await echo.revoke(session_id=str(session))
        await until(lambda: not opened("Play"))
        received = 0
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(SLOW_MACHINE_SECONDS):
                while part := await loop.sock_recv(client, 65_536):
                    received += len(part)
    assert received < 100_000


async def test_a_gateway_that_stops_finishes_what_it_sends(
    auth: AuthStandIn, valkey: Valkey, descriptors: Path
) -> None:
    """Half a sound cannot be resumed, so the stop waits for it."""
    body = {"parts": 5, "part_bytes": 10, "pause_milliseconds": 300}
    async with serving_echo(auth, valkey, descriptors) as echo:
        async with echo.http.stream("POST", PLAY, json=body, headers=bearer(echo)) as response:
            chunks = response.aiter_raw()
            await anext(chunks)
            stopping = asyncio.ensure_future(echo.gateways[0].lifecycle.drain(Stop(0, 0, 10)))
            rest = b"".join([chunk async for chunk in chunks])
        await stopping

    assert len(rest) == 40


async def test_a_retry_is_not_safe(echo: Echo) -> None:
    """What streams is not stored, so a key that promises the first response again is refused."""
    headers = bearer(echo) | {"Idempotency-Key": "once"}
    for path in (PLAY, "/api/echo/count"):
        refused = await echo.http.post(path, json={"until": 1} if "count" in path else {}, headers=headers)
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "Idempotency-Key")


async def test_in_the_documentation(echo: Echo) -> None:
    """As content of any type, and without a key that a retry could use."""
    post = (await echo.http.get("/openapi.json")).json()["paths"][PLAY]["post"]

    assert post["responses"]["200"]["content"] == {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    assert "409" not in post["responses"]
    assert "Idempotency-Key" not in json.dumps(post)
