"""The client's manners towards a Redis that is away or silent."""

import re
import signal
from time import monotonic

import pytest
from chassis.errors import Unavailable
from chassis.redis import explain, open_redis, translated
from devstack.ports import free_port
from devstack.valkey import Valkey
from redis.exceptions import RedisError, ResponseError

from tests.waiting import SLOW_MACHINE_SECONDS


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
        assert monotonic() - started < SLOW_MACHINE_SECONDS
        own_valkey.process.send_signal(signal.SIGCONT)
        assert await redis.get("a") == b"1"


async def test_the_client_is_named(valkey: Valkey) -> None:
    async with open_redis(valkey.url, client_name="stock-service") as redis:
        assert any(client["name"] == "stock-service" for client in await redis.client_list())


REFUSALS = [
    pytest.param({"requirepass": "right-password"}, "", "put it into REDIS_URL", id="NOAUTH"),
    pytest.param({"requirepass": "right-password"}, ":wrong-password@", "correct the user", id="WRONGPASS"),
    pytest.param({}, "reader:right-password@", "the ACL of the user", id="NOPERM"),
    pytest.param({"maxmemory": "1mb"}, "", "raise its maxmemory", id="OOM"),
]


@pytest.mark.parametrize(("settings", "credentials", "advice"), REFUSALS)
async def test_a_refusal_says_what_redis_said_and_what_to_do(
    own_valkey: Valkey, settings: dict[str, str], credentials: str, advice: str
) -> None:
    """The log line says what to do, and has neither password nor data."""
    async with open_redis(own_valkey.url, client_name="t", retries=0) as redis:
        if credentials.startswith("reader"):
            await redis.acl_setuser(
                "reader", enabled=True, passwords="+right-password", commands=["+ping"], keys=["*"]
            )
        for name, value in settings.items():
            await redis.config_set(name, value)
    url = own_valkey.url.replace("//", f"//{credentials}")
    with pytest.raises(RedisError) as caught:
        async with open_redis(url, client_name="t", retries=0) as redis:
            await redis.set("private data", "secret")

    said = explain(caught.value)
    assert advice in said
    assert not re.search("right-password|wrong-password|private|secret", said)


async def test_an_absent_redis_is_explained() -> None:
    """The port is closed, or the host is unknown."""
    for host, advice in ((f"127.0.0.1:{free_port()}", "start Redis"), ("nowhere.invalid", "REDIS_URL")):
        with pytest.raises((RedisError, OSError)) as caught:
            async with open_redis(f"redis://user:secret@{host}/0", client_name="t", retries=0) as redis:
                await redis.ping()

        assert advice in explain(caught.value)
        assert "secret" not in explain(caught.value)


def test_protected_mode_is_explained() -> None:
    """What a Redis without a password answers from outside is a page: its sense fits a line."""
    error = ResponseError(
        "DENIED Redis is running in protected mode because protected mode is enabled and no password is set "
        "for the default user. In this mode connections are only accepted from the loopback interface." * 3
    )

    assert "set a password there and in REDIS_URL" in explain(error)
    assert len(explain(error)) < 300


async def test_a_refusal_of_one_of_many_commands_says_why(valkey: Valkey) -> None:
    """The log's line has what Redis said, not what was sent."""
    async with open_redis(valkey.url, client_name="t", retries=0) as redis:
        await redis.set("text", "1")
        with pytest.raises(RedisError) as caught:
            async with redis.pipeline(transaction=False) as pipeline:
                pipeline.xadd("text", {"event": "private data (secret) of pipeline"})
                await pipeline.execute()

    assert "WRONGTYPE" in explain(caught.value)
    assert "secret" not in explain(caught.value)
