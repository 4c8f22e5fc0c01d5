"""The near cache: nothing older than its bound, nothing of another's, nothing from before an event."""

import asyncio
import time
from collections.abc import Hashable, Mapping

import pytest
from chassis.errors import Unavailable
from chassis.events import stream
from chassis.identity.role import Role
from chassis.ids import uuid7
from devstack.valkey import Valkey
from gateway.cache.near_cache import Fetch, NearCache
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event

from tests.fakes.service_keys import entry_of
from tests.gateway.stack import FakeUpstream, Gateway, bearer
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS


def keep(cache: NearCache[str], key: Hashable, value: str, *tags: str, seconds: float = 60) -> None:
    """Fetches and keeps a value."""
    cache.put(cache.begin(tags), key, value, seconds=seconds)


def test_an_event_drops_what_it_touches() -> None:
    """Other tags stay."""
    cache: NearCache[str] = NearCache()
    keep(cache, 1, "a", "user:1")
    keep(cache, 2, "b", "user:2")
    cache.drop(["user:1"])

    assert (cache.get(1), cache.get(2)) == (None, "b")


def test_what_was_on_its_way_is_not_kept() -> None:
    """A value read before the change must not outlive it."""
    cache: NearCache[str] = NearCache()
    fetch = cache.begin(("user:1",))
    cache.drop(["user:1"])
    cache.put(fetch, 1, "old", seconds=60)

    assert cache.get(1) is None


def test_nothing_outlives_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens, an answer is gone when its seconds are over."""
    cache: NearCache[str] = NearCache()
    keep(cache, 1, "a", "t", seconds=5)
    later = time.monotonic() + 5

    assert cache.get(1) == "a"
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert cache.get(1) is None
    assert len(cache) == 0


def test_memory_is_bounded() -> None:
    """The least recently used goes first."""
    cache: NearCache[str] = NearCache(entries_max=2)
    keep(cache, 1, "a", "t")
    keep(cache, 2, "b", "t")
    cache.get(1)
    keep(cache, 3, "c", "t")

    assert (cache.get(1), cache.get(2), cache.get(3)) == ("a", None, "c")


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["keep", "drop", "clear"])), max_size=40))
def test_nothing_is_left_behind(steps: list[tuple[int, str]]) -> None:
    """Dropping every tag empties the cache and its indexes, whatever came before."""
    cache: NearCache[str] = NearCache(entries_max=3)
    for number, step in steps:
        if step == "keep":
            keep(cache, number, "v", f"t:{number}", "all")
        elif step == "drop":
            cache.drop([f"t:{number}"])
        else:
            cache.clear()
    cache.drop(["all"])

    assert len(cache) == 0
    assert not cache._keys
    assert not cache._fetches


class Readers(RuleBasedStateMachine):
    """Reads and writes of one value in any order: the cache never gives what is no longer true."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: NearCache[int] = NearCache()
        self.truth = 0
        self.fetches: list[tuple[Fetch, int]] = []

    @rule()
    def read_begins(self) -> None:
        """The service answers with what is true now; the answer is on its way."""
        self.fetches.append((self.cache.begin(("t",)), self.truth))

    @rule(data=st.data())
    def read_ends(self, data: st.DataObject) -> None:
        """One of the answers arrives."""
        if self.fetches:
            fetch, value = self.fetches.pop(data.draw(st.integers(0, len(self.fetches) - 1)))
            self.cache.put(fetch, "key", value, seconds=60)

    @rule()
    def write(self) -> None:
        """The value changes, and the event of it arrives."""
        self.truth += 1
        self.cache.drop(["t"])

    @rule()
    def lose(self) -> None:
        """Events may have been missed."""
        self.truth += 1
        self.cache.clear()

    @invariant()
    def never_stale(self) -> None:
        """What the cache gives is true."""
        assert self.cache.get("key") in (None, self.truth)


TestReaders = Readers.TestCase
TestReaders.settings = settings(max_examples=40, stateful_step_count=20)


async def warm(gateway: Gateway, upstream: FakeUpstream, headers: Mapping[str, str]) -> None:
    """Reads until the cache answers: at first the stream has not been read yet."""
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        while True:
            before = len(upstream.calls)
            await gateway.http.get("/api/users/me", headers=headers)
            if len(upstream.calls) == before:
                break
    upstream.calls.clear()


async def test_a_read_is_answered_from_memory(
    gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn
) -> None:
    """The second read calls no service; `ETag` and 304 are cached too; another user's read calls."""
    ada, bob = uuid7(), uuid7()
    upstream.names |= {ada: "Ada", bob: "Bob"}
    token = auth.token(ada, Role.USER)
    await warm(gateway, upstream, bearer(token))
    first = await gateway.http.get("/api/users/me", headers=bearer(token))
    again = await gateway.http.get("/api/users/me", headers=bearer(token))
    unchanged = await gateway.http.get("/api/users/me", headers=bearer(token, **{"If-None-Match": '"Ada"'}))
    other = await gateway.http.get("/api/users/me", headers=bearer(auth.token(bob, Role.USER)))

    assert upstream.calls == ["GetMe"], "only the other user's read"
    assert first.json()["data"] == again.json()["data"]
    assert first.json()["metadata"]["request_id"] != again.json()["metadata"]["request_id"]
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert other.json()["data"]["full_name"] == "Bob"


async def test_a_write_is_seen_by_the_next_read(
    gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn
) -> None:
    """The answer brings the event, so the gateway that took the write drops before it answers."""
    ada = uuid7()
    upstream.names[ada] = "Ada"
    headers = bearer(auth.token(ada, Role.USER))
    await warm(gateway, upstream, headers)
    for name in ("Bea", "Cleo", "Dora"):
        await gateway.http.get("/api/users/me", headers=headers)
        await gateway.http.put("/api/users/me", headers=headers, json={"full_name": name})
        assert (await gateway.http.get("/api/users/me", headers=headers)).json()["data"]["full_name"] == name


async def test_events_drop_what_others_changed(
    gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn, valkey: Valkey
) -> None:
    """What another gateway took arrives by the stream."""
    ada = uuid7()
    upstream.names[ada] = "Ada"
    headers = bearer(auth.token(ada, Role.USER))
    await warm(gateway, upstream, headers)
    upstream.names[ada] = "Bea"
    assert (await gateway.http.get("/api/users/me", headers=headers)).json()["data"]["full_name"] == "Ada"
    async with Redis.from_url(valkey.url) as redis:
        event = Event(tags=[f"user:{ada}"])
        await redis.xadd(stream.STREAM, entry_of(event, "user-service"))
    deadline = time.monotonic() + 2
    while (await gateway.http.get("/api/users/me", headers=headers)).json()["data"]["full_name"] != "Bea":
        assert time.monotonic() < deadline


async def test_errors_are_not_kept(gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn) -> None:
    """An outage that is over is over."""
    ada = uuid7()
    upstream.names[ada] = "Ada"
    headers = bearer(auth.token(ada, Role.USER))
    upstream.failure = Unavailable()
    assert (await gateway.http.get("/api/users/me", headers=headers)).status_code == 503
    upstream.failure = None
    assert (await gateway.http.get("/api/users/me", headers=headers)).status_code == 200
