"""What ends streams both ways, and that each end frees everything: with real clients and gateways."""

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chassis.ids import uuid7
from devstack.valkey import Valkey
from gateway.limits.request_limits import RequestLimits
from gateway.streams import renewals, websocket
from prometheus_client import REGISTRY
from websockets.exceptions import ConnectionClosed

from tests.chassis.waiting import until
from tests.gateway.streaming import Echo, closed, opened, refused, serving_echo
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS, WITHIN_SECONDS


async def test_leaving_cancels_the_call(echo: Echo) -> None:
    """Within a second, whether the client closes, vanishes, or leaves while the service does not read."""
    for leave in ("close", "abort", "abort while sending"):
        socket = await echo.talk()
        await socket.send('{"say": "a"}')
        await socket.recv()
        assert echo.service.open == 1
        if leave == "close":
            await socket.close()
        else:
            if leave == "abort while sending":
                await socket.send('{"sleep_milliseconds": 60000}')
                for _ in range(50):
                    with_timeout = asyncio.wait_for(socket.send(b"x" * 60_000), 1)
                    try:
                        await with_timeout
                    except TimeoutError:
                        break
            socket.transport.abort()
        await until(lambda: not echo.service.open and not opened(), seconds=SLOW_MACHINE_SECONDS)


async def test_back_pressure_from_the_client(echo: Echo) -> None:
    """A service that does not read stops the client, after some megabytes that lie between."""
    socket = await echo.talk()
    await socket.send('{"sleep_milliseconds": 60000}')
    sent = 0
    with pytest.raises(TimeoutError):
        while sent < 100_000_000:
            await asyncio.wait_for(socket.send(b"x" * 60_000), 2)
            sent += 60_000
    assert sent < 20_000_000
    socket.transport.abort()


async def stands_still(echo: Echo) -> bool:
    """Says whether the service has sent, and sends no more."""
    sent = echo.service.sent
    await asyncio.sleep(0.7)
    return 0 < sent == echo.service.sent


async def test_back_pressure_from_the_service(echo: Echo) -> None:
    """A client that does not read stops the service; other streams go on."""
    async with echo.talk(max_queue=1, close_timeout=0.1) as socket, echo.talk() as other:
        await socket.send('{"flood": 1000000}')
        await until(partial(stands_still, echo))
        assert echo.service.sent < 20_000, "messages of 1 KB"
        started = time.monotonic()
        await other.send('{"say": "a"}')
        assert json.loads(await other.recv())["said"] == "a"
        assert time.monotonic() - started < SLOW_MACHINE_SECONDS
    await until(lambda: echo.service.open == 0)


async def test_revocation(auth: AuthStandIn, valkey: Valkey, descriptors: Path) -> None:
    """Logging out ends the session's streams at every gateway, and no other.

    `tests/system/test_stream_revocation.py` has how soon.
    """
    user, session = uuid7(), uuid7()
    async with serving_echo(auth, valkey, descriptors, gateways=2) as echo:
        first = await echo.talk(echo.token(user_id=user, session_id=session))
        second = await echo.talk(echo.token(user_id=user, session_id=session), gateway=1)
        other_session = await echo.talk(echo.token(user_id=user))
        other_user = await echo.talk(gateway=1)
        async with asyncio.timeout(WITHIN_SECONDS):
            await echo.revoke(session_id=str(session))
            assert await closed(first) == (4401, "TOKEN_REVOKED")
            assert await closed(second) == (4401, "TOKEN_REVOKED")
        async with asyncio.timeout(WITHIN_SECONDS):
            await echo.revoke(user_id=str(user))
            assert await closed(other_session) == (4401, "TOKEN_REVOKED")
        await other_user.send('{"say": "a"}')
        assert json.loads(await other_user.recv())["said"] == "a"
        await other_user.close()


async def test_revocation_of_a_client_that_does_not_read(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its slot is free at once, although it does not take the close."""
    monkeypatch.setattr(websocket, "CLOSE_SECONDS", 10 * SLOW_MACHINE_SECONDS)
    user = uuid7()
    client = await echo.talk(echo.token(user_id=user), max_queue=1)
    await client.send('{"flood": 1000000}')
    await until(partial(stands_still, echo))
    await echo.revoke(user_id=str(user))
    # Sooner than the client itself gives up.
    await until(lambda: opened() == 0 and echo.service.open == 0, seconds=SLOW_MACHINE_SECONDS)
    client.transport.abort()


async def test_expiry_and_renewal(echo: Echo) -> None:
    """A stream ends with its token, unless the client sends another of the same user in time."""
    user = uuid7()
    async with (
        echo.talk(echo.token(user_id=user, seconds=5)) as socket,
        echo.talk(echo.token(seconds=4)) as other,
    ):
        await socket.send(json.dumps({"auth": echo.token(user_id=user, seconds=600)}))
        assert await closed(other) == (4401, "TOKEN_EXPIRED")
        await asyncio.sleep(2)
        await socket.send('{"say": "a"}')
        assert json.loads(await socket.recv())["said"] == "a"
        await socket.send(json.dumps({"auth": echo.token()}))
        assert await closed(socket) == (4403, "FORBIDDEN")


async def test_renewal_by_a_token_that_expires_sooner(echo: Echo) -> None:
    """The stream ends with the token that it has now."""
    user = uuid7()
    async with echo.talk(echo.token(user_id=user)) as socket:
        for seconds in (300, 2):
            await socket.send(json.dumps({"auth": echo.token(user_id=user, seconds=seconds)}))
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            assert await closed(socket) == (4401, "TOKEN_EXPIRED")


async def test_revocation_while_a_token_is_renewed(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new token is checked once more when the stream can be found by it."""
    user, session = uuid7(), uuid7()
    async with echo.talk(echo.token(user_id=user)) as socket:

        async def revoked_meanwhile(*_: Any) -> None:
            await echo.revoke(session_id=str(session))
            await asyncio.sleep(0.5)

        monkeypatch.setattr(RequestLimits, "count", revoked_meanwhile)
        await socket.send(json.dumps({"auth": echo.token(user_id=user, session_id=session)}))
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            assert await closed(socket) == (4401, "TOKEN_REVOKED")


async def test_too_many_tokens(echo: Echo, auth: AuthStandIn) -> None:
    """Each may cost a verification: ten are taken, and the next ends the stream."""
    user = uuid7()
    async with echo.talk(echo.token(user_id=user)) as socket:
        for _ in range(renewals.OFFERS_MAX):
            await socket.send(json.dumps({"auth": echo.token(user_id=user)}))
        await socket.send('{"say": "a"}')
        assert json.loads(await socket.recv())["said"] == "a"
        await socket.send(json.dumps({"auth": echo.token(user_id=user)}))
        assert await closed(socket) == (4429, "RATE_LIMITED")


async def test_tokens_count_as_requests_do(auth: AuthStandIn, valkey: Valkey, descriptors: Path) -> None:
    """For the stream's user, good or bad, and before auth-service is asked about one."""
    user = uuid7()
    async with serving_echo(auth, valkey, descriptors, rate_limits="on", client_limit=4) as echo:
        token, ends = echo.token(user_id=user), []
        for number in range(2):
            async with echo.talk(token) as socket:
                await socket.send(json.dumps({"auth": f"vst_abcdefghijkl_{number:064x}"}))
                ends.append(await closed(socket))
        assert await refused(echo.talk(token)) == (429, "RATE_LIMITED")

    assert ends == [(4401, "TOKEN_INVALID")] * 2


async def test_draining(echo: Echo) -> None:
    """A gateway that stops closes every stream with the code for it."""
    from chassis.lifecycle import Stop  # noqa: PLC0415

    async with echo.talk() as socket:
        await socket.send('{"say": "a"}')
        await socket.recv()
        draining = asyncio.ensure_future(echo.gateways[0].lifecycle.drain(Stop(0, 0, 5)))
        assert await closed(socket) == (1001, "UNAVAILABLE")
        await draining


async def test_streams_of_one_user(auth: AuthStandIn, valkey: Valkey, descriptors: Path) -> None:
    """Are counted for all gateways together, and refused before the upgrade."""
    user = uuid7()
    async with serving_echo(auth, valkey, descriptors, gateways=2) as echo:
        held = [await echo.talk(echo.token(user_id=user), gateway=number % 2) for number in range(4)]
        for gateway in range(2):
            assert await refused(echo.talk(echo.token(user_id=user), gateway=gateway)) == (
                429,
                "RATE_LIMITED",
            )
        async with echo.talk():
            pass
        await held.pop().close()
        await until(lambda: opened() == 3)
        held.append(await echo.talk(echo.token(user_id=user)))
        for socket in held:
            await socket.close()


async def test_pings(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers are pinged; those that answer stay, those that do not are given up."""
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.5)
    async with echo.talk() as socket:
        silent = await echo.talk()
        silent.transport.pause_reading()
        await until(lambda: opened() == 1)
        silent.transport.abort()
        await socket.send('{"say": "a"}')
        assert json.loads(await socket.recv())["said"] == "a"


async def test_too_many_control_frames(echo: Echo) -> None:
    """Each costs an answer; a client that floods the gateway with them is let go."""
    async with echo.talk() as socket:
        assert await (await socket.ping()) < 5
        for _ in range(websocket.CONTROL_FRAMES_MAX + 10):
            await socket.pong()
        assert await closed(socket) == (1008, "RATE_LIMITED")


async def test_log_and_metrics(echo: Echo, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    """One line per stream with its end and counts; no token and no content in it."""
    received, sent = ({"method": "Talk", "direction": way} for way in ("received", "sent"))
    finished = {"method": "Talk", "reason": "finished"}
    counted = (
        ("gateway_stream_messages_total", received, 2),
        ("gateway_stream_bytes_total", received, len('{"say": "canary"}{"stop": true}')),
        ("gateway_stream_messages_total", sent, 1),
        ("gateway_stream_bytes_total", sent, len('{"room":"blue","said":"canary"}')),
        ("gateway_streams_opened_total", {"method": "Talk"}, 1),
        ("gateway_streams_ended_total", finished, 1),
    )
    before = [REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels, _ in counted]
    token = echo.token()
    async with echo.talk(token) as socket:
        await socket.send('{"say": "canary"}')
        await socket.recv()
        await socket.send('{"stop": true}')
        await closed(socket)
    await until(lambda: opened() == 0)
    await asyncio.sleep(0.1)
    logged = capsys.readouterr().out

    after = [REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels, _ in counted]
    assert [later - earlier for earlier, later in zip(before, after, strict=True)] == [
        grown for _, _, grown in counted
    ]
    lines = [line for line in logged.splitlines() if "/talk" in line]
    assert len(lines) == 1
    for part in ("status=101", "end=finished", "received=2", "sent=1"):
        assert part in lines[0]
    assert "canary" not in logged
    assert token not in logged


async def test_connection_closed_is_what_clients_see(echo: Echo) -> None:
    """Sending on a stream that has ended fails at the client; the gateway goes on."""
    async with echo.talk() as socket:
        await socket.send("{")
        await closed(socket)
        with pytest.raises(ConnectionClosed):
            await socket.send('{"say": "a"}')
    assert (await echo.http.get("/health")).status_code == 200
