"""What can never be handled is put aside, and what is behind it is handled."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

import pytest
from chassis.errors import Forbidden, Invalid, NotFound, ServiceError, Unavailable
from chassis.events import commands, dead_letters, stream
from chassis.events.consumer import Consumer
from chassis.redis_connection import RedisConnection, open_connection
from devstack.valkey import Valkey
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import AuditRecorded, Event, UserChanged

from tests.chassis.events.conftest import Begin
from tests.chassis.waiting import until
from tests.fakes.service_keys import entry_of, service_keys

GROUP = "auth-service"
AUDIT = AuditRecorded(action="users.update", outcome="success")


class Desk:
    """A consumer whose handler fails as a test says, and what it has audited."""

    def __init__(self, valkey: Valkey, failures: Mapping[str, list[Exception]] | None = None) -> None:
        self.handled: list[str] = []
        self.tries: list[str] = []
        self.audited: list[tuple[str, dict[str, str]]] = []
        self._failures = dict(failures or {})
        self.consumer = Consumer(
            group=GROUP,
            handlers={"user_changed": self._handle},
            keys=service_keys(GROUP),
            redis_url=valkey.url,
            audit=self._audit,
            claim_after_seconds=0.3,
        )

    async def _handle(self, event: Event) -> None:
        user_id = event.user_changed.user_id
        self.tries.append(user_id)
        failures = self._failures.get(user_id)
        if failures:
            raise failures.pop(0) if len(failures) > 1 else failures[0]
        self.handled.append(user_id)

    async def _audit(self, action: str, details: Mapping[str, str]) -> None:
        self.audited.append((action, dict(details)))


def changed(user_id: str) -> dict[bytes, bytes]:
    """Returns user-service's entry about a user."""
    return entry_of(Event(user_changed=UserChanged(user_id=user_id)), "user-service")


async def publish(valkey: Valkey, *entries: dict[bytes, bytes]) -> None:
    """Puts entries on the stream."""
    async with Redis.from_url(valkey.url) as redis:
        for fields in entries:
            await redis.xadd(stream.STREAM, fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [ValueError("not-a-uuid"), Invalid(), NotFound()])
async def test_what_cannot_succeed_is_put_aside(valkey: Valkey, begin: Begin, error: Exception) -> None:
    """After five tries; those behind it are handled, it is audited and measured."""
    desk = Desk(valkey, {"bad": [error]})
    await publish(valkey, changed("bad"), changed("a"), changed("b"))
    begin(desk.consumer.run())
    await until(lambda: desk.handled == ["a", "b"])

    assert desk.tries.count("bad") == dead_letters.PERMANENT_TRIES
    assert desk.audited == [
        ("events.dead_letter", {"type": "user_changed", "reason": dead_letters.reason_of(error)})
    ]
    assert REGISTRY.get_sample_value("events_dead_letters") == 1
    assert REGISTRY.get_sample_value("events_blocked") == 0
    async with open_connection(valkey.url, timeout_seconds=5, client_name="t") as redis:
        (letter,) = await dead_letters.listed(redis, GROUP)
        assert (letter.kind, letter.source, letter.tries) == ("user_changed", "user-service", 5)
        (pending,) = await redis.ask(("XPENDING", stream.STREAM, GROUP))
        assert pending[0] == 0


@pytest.mark.parametrize(
    "error", [Unavailable(), Forbidden(), ConnectionError("away"), TimeoutError(), OSError()]
)
async def test_what_is_away_is_waited_for(valkey: Valkey, begin: Begin, error: Exception) -> None:
    """However often it takes: the event is not to blame."""
    desk = Desk(valkey, {"slow": [error] * 12 + [error]})
    await publish(valkey, changed("slow"))
    begin(desk.consumer.run())
    await until(lambda: len(desk.tries) > dead_letters.PERMANENT_TRIES + 3)
    desk._failures.clear()
    await until(lambda: desk.handled == ["slow"])

    assert desk.audited == []


def test_a_bug_does_not_block_for_ever() -> None:
    """Unexpected errors are retried longer than permanent ones, before the event becomes a dead letter."""
    assert dead_letters.tries_allowed(RuntimeError()) == dead_letters.UNEXPECTED_TRIES
    assert dead_letters.tries_allowed(ServiceError()) == dead_letters.UNEXPECTED_TRIES
    assert dead_letters.tries_allowed(KeyError()) == dead_letters.UNEXPECTED_TRIES


async def test_forgeries_are_skipped_and_reported_once(valkey: Valkey, begin: Begin) -> None:
    """Unsigned, by another, unreadable: nothing is handled, nothing waits, one audit entry per reason."""
    forged = Event(user_changed=UserChanged(user_id="forged"), source="user-service")
    good = changed("good")
    entries = [{stream.FIELD: entry_of(forged, "user-service")[stream.FIELD]}] * 2_000
    entries += [entry_of(forged, "gateway")] * 3
    entries += [{stream.FIELD: b"\xff"}, {b"other": b"x"}, {stream.FIELD: b"", stream.SIGNATURE: b"x" * 72}]
    async with Redis.from_url(valkey.url) as redis, redis.pipeline(transaction=False) as pipeline:
        for fields in (*entries, good):
            pipeline.xadd(stream.STREAM, fields)  # type: ignore[arg-type]
        await pipeline.execute()
    desk = Desk(valkey)
    began = monotonic()
    begin(desk.consumer.run())
    await until(lambda: desk.handled == ["good"])

    assert monotonic() - began < 30
    assert desk.tries == ["good"]
    assert sorted(details["reason"] for action, details in desk.audited) == [
        "malformed",
        "signature",
        "source",
        "unsigned",
    ]
    assert {action for action, _ in desk.audited} == {"events.refused"}
    async with open_connection(valkey.url, timeout_seconds=5, client_name="t") as connection:
        assert await dead_letters.count(connection, GROUP) == 0
        assert await connection.ask(("GET", dead_letters.refused_key(GROUP))) != [None]


async def test_dead_letters_are_bounded(valkey: Valkey) -> None:
    """They cannot fill Redis."""
    async with open_connection(valkey.url, timeout_seconds=5, client_name="t") as redis:
        for _ in range(dead_letters.KEPT_MAX + 20):
            await dead_letters.add(redis, GROUP, changed("x"), reason="INVALID", tries=5)

        assert await dead_letters.count(redis, GROUP) == dead_letters.KEPT_MAX


async def test_an_operator_sends_again_and_drops(
    valkey: Valkey, begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once the cause is mended, an event that is sent again is handled; another is forgotten."""
    desk = Desk(valkey, {"bad": [ValueError()], "worse": [ValueError()]})
    await publish(valkey, changed("bad"), changed("worse"))
    begin(desk.consumer.run())
    async with open_connection(valkey.url, timeout_seconds=5, client_name="t") as redis:
        await until(lambda: _has(redis, 2))
        first, second = await dead_letters.listed(redis, GROUP)

    async def run(*arguments: str) -> int:
        return await asyncio.to_thread(commands.main, arguments, group=GROUP, redis_url=valkey.url)

    assert await run("list") == 0
    assert first.letter_id in capsys.readouterr().out
    assert await run("drop", "1-1") == 1
    assert await run("drop", second.letter_id) == 0
    desk._failures.clear()
    assert await run("requeue", "all") == 0
    await until(lambda: desk.handled == ["bad"])
    assert await run("list") == 0
    assert "0 dead letters" in capsys.readouterr().out


async def test_letters_that_are_not_ours(valkey: Valkey, capsys: pytest.CaptureFixture[str]) -> None:
    """Who has a service's user in Redis may add any: they are listed, safe for a terminal, and dropped."""
    forged: list[dict[Any, Any]] = [
        {"event": b"x", "reason": "\x1b[2J\nall is well", "tries": "many"},
        {"event": Event(source="\x1b]0;title\x07").SerializeToString(), "tries": "9" * 5000},
        {"nothing": "in it"},
    ]
    async with Redis.from_url(valkey.url) as redis:
        for letter in forged:
            await redis.xadd(dead_letters.key(GROUP), letter)
        await redis.xadd(dead_letters.key(GROUP), {"event": "late"}, id=f"{2**63}-0")

    async def run(*arguments: str) -> tuple[int, str]:
        status = await asyncio.to_thread(commands.main, arguments, group=GROUP, redis_url=valkey.url)
        said = capsys.readouterr()
        return status, said.out + said.err

    status, said = await run("list")
    assert (status, len(said.splitlines())) == (0, 5)
    assert "\x1b" not in said
    assert (await run("requeue", "all"))[0] == 1
    assert await run("drop", "all") == (0, "4 dropped\n")


async def _has(redis: RedisConnection, number: int) -> bool:
    return await dead_letters.count(redis, GROUP) == number
