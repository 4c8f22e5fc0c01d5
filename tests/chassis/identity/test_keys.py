"""Keys are fetched once for all who wait, seldom for forgeries, and never lost by accident."""

import asyncio
from collections.abc import Callable

import pytest
from chassis.errors import Forbidden, TokenInvalid, Unavailable
from chassis.identity.keys import KeyCache
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from structlog.testing import capture_logs

from tests.chassis.identity.tokens import new_key

KEYS = {name: new_key().public_key() for name in ("a", "b")}


class Source:
    """Gives keys out, slowly, and counts; or fails."""

    def __init__(self) -> None:
        self.keys: dict[str, EllipticCurvePublicKey] = {"a": KEYS["a"]}
        self.fetches = 0
        self.fails = False

    async def fetch(self) -> dict[str, EllipticCurvePublicKey]:
        self.fetches += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise Unavailable
        return dict(self.keys)


async def until(condition: Callable[[], bool]) -> None:
    """Waits until the condition holds, for a few seconds at most."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def test_one_fetch_for_all_who_wait() -> None:
    """A hundred first requests are one fetch."""
    source = Source()
    cache = KeyCache(source.fetch)
    found = await asyncio.gather(*(cache.find("a") for _ in range(100)))

    assert all(key is KEYS["a"] for key in found)
    assert source.fetches == 1


async def test_log_says_why_keys_cannot_be_fetched() -> None:
    """That auth-service refuses this service is worth more than that its keys are not there."""

    async def refused() -> dict[str, EllipticCurvePublicKey]:
        raise Unavailable from Forbidden()

    with capture_logs() as said, pytest.raises(Unavailable):
        await KeyCache(refused).find("a")

    assert [line["error"] for line in said] == [str(Forbidden())]


async def test_forgeries_are_no_load() -> None:
    """After one miss, unknown names are refused from memory for half a minute."""
    source = Source()
    cache = KeyCache(source.fetch)
    for _ in range(20):
        with pytest.raises(TokenInvalid):
            await cache.find("forged")

    assert source.fetches == 1
    assert await cache.find("a") is KEYS["a"]


async def test_new_key_is_found_after_the_pause() -> None:
    """A key that appears is asked for."""
    source = Source()
    cache = KeyCache(source.fetch, cooldown_seconds=0.05)
    await cache.find("a")
    source.keys["b"] = KEYS["b"]
    with pytest.raises(TokenInvalid):
        await cache.find("b")
    await asyncio.sleep(0.06)

    assert await cache.find("b") is KEYS["b"]


async def test_failure_forgets_nothing() -> None:
    """Good keys stay when auth-service is away; unknown ones cannot be verified."""
    source = Source()
    cache = KeyCache(source.fetch, cooldown_seconds=0, retry_seconds=0)
    await cache.find("a")
    source.fails = True
    with pytest.raises(Unavailable):
        await cache.find("b")

    assert cache.get("a") is KEYS["a"]
    assert cache.ready


async def test_waiter_that_gives_up_does_not_stop_the_others() -> None:
    """All callers share the fetch."""
    source = Source()
    cache = KeyCache(source.fetch)
    hasty, patient = (asyncio.create_task(cache.find("a")) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()

    assert await patient is KEYS["a"]
    assert source.fetches == 1


async def test_runs_until_it_works_and_keeps_up_to_date() -> None:
    """Ready as soon as auth-service answers; withdrawn keys go; the same key stays the same object."""
    source = Source()
    source.fails = True
    cache = KeyCache(source.fetch, refresh_seconds=0.02)
    running = asyncio.create_task(cache.run())
    await asyncio.sleep(0.1)
    before = cache.ready
    source.fails = False
    source.keys = {"a": KEYS["a"], "b": KEYS["b"]}
    await until(lambda: cache.get("b") is not None)
    kept = cache.get("a")
    del source.keys["b"]
    await until(lambda: cache.get("b") is None)
    running.cancel()

    assert not before
    assert kept is cache.get("a")
