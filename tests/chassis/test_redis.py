"""The client's manners towards a Redis that is away or silent."""

import signal
from time import monotonic

import pytest
from chassis.errors import Unavailable
from chassis.redis import open_redis, translated
from devstack.program import free_port
from devstack.valkey import Valkey


async def test_an_absent_redis_is_unavailable() -> None:
    async with open_redis(f"redis://127.0.0.1:{free_port()}/0", client_name="t") as redis:
        with pytest.raises(Unavailable) as caught, translated():
            await redis.get("a")
        assert caught.value.retry_after_seconds


async def test_a_silent_redis_is_given_up_in_time_and_used_again(own_valkey: Valkey) -> None:
    async with open_redis(own_valkey.url, client_name="t", timeout_seconds=0.2, retries=0) as redis:
        await redis.set("a", "1")
        assert own_valkey.process is not None
        own_valkey.process.send_signal(signal.SIGSTOP)
        started = monotonic()
        with pytest.raises(Unavailable), translated():
            await redis.get("a")
        assert monotonic() - started < 1
        own_valkey.process.send_signal(signal.SIGCONT)
        assert await redis.get("a") == b"1"


async def test_the_client_is_named(valkey: Valkey) -> None:
    async with open_redis(valkey.url, client_name="stock-service") as redis:
        assert any(client["name"] == "stock-service" for client in await redis.client_list())
