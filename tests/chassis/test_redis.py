"""The client when Redis is away, silent, restarted or refuses, and what its errors say."""

import asyncio
import re
import signal
from time import monotonic

import hiredis
import pytest
from chassis.redis import Script, explain, open_redis
from chassis.redis_connection import FAILURES
from devstack.ports import free_port
from devstack.valkey import Valkey

from tests.waiting import SLOW_MACHINE_SECONDS

ECHO = Script("return ARGV[1]")


async def test_a_silent_redis_is_given_up_in_time_and_used_again(own_valkey: Valkey) -> None:
    """Each call ends by its timeout."""
    async with open_redis(own_valkey.url, client_name="t", timeout_seconds=0.2) as redis:
        await redis.ask(("SET", "a", "1"))
        assert own_valkey.process is not None
        own_valkey.process.send_signal(signal.SIGSTOP)
        started = monotonic()
        with pytest.raises(TimeoutError):
            await redis.ask(("GET", "a"))
        assert monotonic() - started < SLOW_MACHINE_SECONDS
        own_valkey.process.send_signal(signal.SIGCONT)
        assert await redis.ask(("GET", "a")) == [b"1"]


async def test_a_restarted_redis_is_used_again(own_valkey: Valkey) -> None:
    """Without an error: kept connections were lost with it. Scripts are sent again."""
    async with open_redis(own_valkey.url, client_name="t", timeout_seconds=5) as redis:
        assert await redis.run(ECHO, "key", "before") == b"before"
        own_valkey.kill()
        await asyncio.to_thread(own_valkey.start)

        assert await redis.run(ECHO, "key", "after") == b"after"


async def test_connections_are_kept_for_later_calls(valkey: Valkey) -> None:
    """Calls at the same time have one each; later ones use the same."""
    async with open_redis(valkey.url, client_name="stock-service") as redis:
        for _ in range(3):
            await asyncio.gather(*(redis.ask(("PING",)) for _ in range(8)))
        (clients,) = await redis.ask(("CLIENT", "LIST"))

        assert 1 <= clients.count(b"name=stock-service ") <= 8


async def test_a_cancelled_call_does_not_answer_the_next(valkey: Valkey) -> None:
    """Its connection, on which a reply may still arrive, is closed."""
    async with open_redis(valkey.url, client_name="t", timeout_seconds=5) as redis:
        await redis.ask(("PING",))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await redis.ask(("BLPOP", "nothing", "0.2"))

        assert await redis.ask(("ECHO", "mine")) == [b"mine"]


REFUSALS = [
    pytest.param(
        ("CONFIG", "SET", "requirepass", "right-password"), "", "put it into REDIS_URL", id="NOAUTH"
    ),
    pytest.param(
        ("CONFIG", "SET", "requirepass", "right-password"),
        ":wrong-password@",
        "correct the user",
        id="WRONGPASS",
    ),
    pytest.param(
        ("ACL", "SETUSER", "reader", "on", ">right-password", "+ping", "~*"),
        "reader:right-password@",
        "the ACL of the user",
        id="NOPERM",
    ),
    pytest.param(("CONFIG", "SET", "maxmemory", "1mb"), "", "raise its maxmemory", id="OOM"),
]


@pytest.mark.parametrize(("setting", "credentials", "advice"), REFUSALS)
async def test_a_refusal_says_what_redis_said_and_what_to_do(
    own_valkey: Valkey, setting: tuple[str, ...], credentials: str, advice: str
) -> None:
    """The log line says what to do, and has neither password nor data."""
    async with open_redis(own_valkey.url, client_name="t") as redis:
        await redis.ask(setting)
    url = own_valkey.url.replace("//", f"//{credentials}")
    async with open_redis(url, client_name="t") as redis:
        with pytest.raises(hiredis.ReplyError) as caught:
            await redis.ask(("SET", "private data", "secret"))

    said = explain(caught.value)
    assert advice in said
    assert not re.search("right-password|wrong-password|private|secret", said)


async def test_an_absent_redis_is_explained() -> None:
    """The port is closed, or the host is unknown."""
    for host, advice in ((f"127.0.0.1:{free_port()}", "start Redis"), ("nowhere.invalid", "REDIS_URL")):
        async with open_redis(f"redis://user:secret@{host}/0", client_name="t") as redis:
            with pytest.raises(FAILURES) as caught:
                await redis.ask(("PING",))

        assert advice in explain(caught.value)
        assert "secret" not in explain(caught.value)


def test_protected_mode_is_explained() -> None:
    """What a Redis without a password answers from outside is a page: its sense fits a line."""
    error = hiredis.ReplyError(
        "DENIED Redis is running in protected mode because protected mode is enabled and no password is set "
        "for the default user. In this mode connections are only accepted from the loopback interface." * 3
    )

    assert "set a password there and in REDIS_URL" in explain(error)
    assert len(explain(error)) < 300


async def test_a_refusal_of_one_of_many_commands_says_why(valkey: Valkey) -> None:
    """The log's line has what Redis said, not what was sent."""
    async with open_redis(valkey.url, client_name="t") as redis:
        await redis.ask(("SET", "text", "1"))
        with pytest.raises(hiredis.ReplyError) as caught:
            await redis.ask(("PING",), ("XADD", "text", "*", "event", "private data (secret)"))

        assert "WRONGTYPE" in explain(caught.value)
        assert "secret" not in explain(caught.value)
        assert await redis.ask(("PING",)) == [b"PONG"]
