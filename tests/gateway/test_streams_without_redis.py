"""Revocations end streams also while the event stream is silent: auth-service is asked, for all at once."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chassis.ids import uuid7
from devstack.valkey import Valkey
from websockets.asyncio.client import ClientConnection

from tests.chassis.waiting import until
from tests.gateway.streaming import Echo, closed, opened, revocation, serving_echo
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS

API_KEY = f"vst_abcdefghijkl_{7:064x}"


@pytest.fixture(name="echo")
async def _echo(auth: AuthStandIn, own_valkey: Valkey, descriptors: Path) -> AsyncIterator[Echo]:
    """A gateway with a Redis of its own."""
    async with serving_echo(auth, own_valkey, descriptors) as echo:
        yield echo


@contextmanager
def frozen(valkey: Valkey) -> Iterator[None]:
    """Stops Redis during the block: it keeps its connections and says nothing."""
    assert valkey.process is not None
    valkey.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        valkey.process.send_signal(signal.SIGCONT)


async def says(socket: ClientConnection) -> None:
    """Returns when a stream has answered."""
    await socket.send('{"say": "a"}')
    assert json.loads(await socket.recv())["said"] == "a"


async def test_one_question_for_all_streams(echo: Echo, auth: AuthStandIn) -> None:
    """Those that a revocation concerns end by it; no other token is introspected."""
    user, session = uuid7(), uuid7()
    tokens = [echo.token(user_id=user, session_id=session), echo.token(user_id=user), echo.token()]
    of_session, of_user, other = [await echo.talk(token) for token in tokens]
    await until(lambda: echo.gateways[0].lifecycle.readiness.ready)
    asked = auth.introspections
    with frozen(echo.valkey):
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            auth.revocations.append(revocation(session_id=str(session)))
            assert await closed(of_session) == (4401, "TOKEN_REVOKED")
            auth.revocations.append(revocation(user_id=str(user)))
            assert await closed(of_user) == (4401, "TOKEN_REVOKED")
        await says(other)
    assert auth.introspections == asked
    await other.close()


async def test_api_keys(echo: Echo, auth: AuthStandIn) -> None:
    """A revocation may or may not end them: those that it concerns are introspected."""
    user = uuid7()
    auth.api_keys[API_KEY] = user
    socket = await echo.talk(API_KEY)
    with frozen(echo.valkey):
        auth.revocations.append(revocation(user_id=str(user)))
        listings = auth.listings
        await until(lambda: auth.listings > listings + 1)
        await says(socket)
        del auth.api_keys[API_KEY]
        auth.revocations.append(revocation(user_id=str(user)))
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            assert await closed(socket) == (4401, "TOKEN_INVALID")


async def test_neither_redis_nor_auth_service(echo: Echo, auth: AuthStandIn) -> None:
    """Streams with a token end, since it may have been revoked."""
    socket = await echo.talk()
    with frozen(echo.valkey):
        await auth.stop()
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            assert await closed(socket) == (1013, "UNAVAILABLE")


async def test_without_streams_nothing_is_asked(echo: Echo, auth: AuthStandIn) -> None:
    """Nor while Redis is away."""
    async with echo.talk() as socket:
        await says(socket)
    await until(lambda: opened() == 0)
    with frozen(echo.valkey):
        await asyncio.sleep(1)
        listings = auth.listings
        await asyncio.sleep(2)
    assert auth.listings == listings
