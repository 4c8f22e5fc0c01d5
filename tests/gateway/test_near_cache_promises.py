"""Reads, writes, revocations and events that come late or never, in any order: what the near cache promises.

No answer of another principal's, none after a revocation, none older than its bound. The parts are
the gateway's own: the cache, the revocations and their feed. The clock, the stream and the
services' truth are the test's.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from chassis.auth_client.api_key_cache import ApiKeyCache
from chassis.auth_client.revocation_feed import RevocationFeed
from chassis.auth_client.revocations import RevocationSet
from chassis.identity.claims import Claims
from chassis.identity.role import Role
from chassis.ids import uuid7
from gateway.api import descriptors
from gateway.cache.near_cache import Fetch, NearCache
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from vestibule.api.v1 import options_pb2
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

BOUND_SECONDS = 5.0
REVOKED_WITHIN_SECONDS = 1.0
USERS = st.integers(0, 1)


@dataclass
class User:
    """A user's actual state.

    Attributes:
        id: Who it is.
        version: Of the data; the answer to a read holds it.
        changed_at: When each version began to be true.
        issued: Number of the token that is shown.
        revoked_until: Number of the last token that was taken back.
        revoked_at: When that was.
    """

    id: UUID = field(default_factory=uuid7)
    version: int = 0
    changed_at: list[float] = field(default_factory=lambda: [0.0])
    issued: int = 1
    revoked_until: int = 0
    revoked_at: float = 0.0

    def revocation(self) -> TokensRevoked:
        """What is said of the tokens taken back."""
        later = time.time_ns() // 1_000_000 + 900_000
        return TokensRevoked(
            user_id=str(self.id), issued_until_milliseconds=self.revoked_until, expires_at_milliseconds=later
        )


class Gateways(RuleBasedStateMachine):
    """One gateway, whose stream another's writes come by."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.users = [User(), User()]
        self.cache: NearCache[tuple[UUID, int]] = NearCache()
        self.in_force = RevocationSet()
        authority: Any = self
        self.feed = RevocationFeed(self.in_force, ApiKeyCache(), authority)
        self.stream: list[Event] = []
        self.broken = False
        self.last_read = self.now
        self.fetches: list[tuple[Fetch, User, tuple[UUID, int]]] = []
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(time, "monotonic", lambda: self.now)

    @property
    def silent_seconds(self) -> float:
        """The stream's reader, as the feed knows it."""
        return self.now - self.last_read

    @property
    def behind_seconds(self) -> float:
        """The same: revocations are never kept from the stream for longer."""
        return self.now - self.last_read

    async def revocations(self) -> list[TokensRevoked]:
        """auth-service's list."""
        return [user.revocation() for user in self.users if user.revoked_until]

    @initialize()
    def begin(self) -> None:
        """The gateway takes the list and trusts the stream from then on."""
        finish(self.feed.start(self))

    @rule(turns=st.sampled_from([1, 3, 20]))
    def wait(self, turns: int) -> None:
        """Time passes; a stream that can be read is read meanwhile, and users continue to read."""
        for _ in range(turns):
            self.now += 0.3
            self.deliver()
            for number in range(len(self.users)):
                self.read(number)

    @rule(number=USERS, published=st.booleans())
    def write(self, number: int, *, published: bool) -> None:
        """Another gateway takes a write, whose event may never come."""
        user = self.users[number]
        user.version += 1
        user.changed_at.append(self.now)
        if published:
            self.stream.append(Event(tags=[f"user:{user.id}"]))

    @rule(number=USERS, comes_back=st.booleans())
    def revoke(self, number: int, *, comes_back: bool) -> None:
        """Another gateway ends all sessions of a user, who may sign in again at once."""
        user = self.users[number]
        user.revoked_until, user.revoked_at = user.issued, self.now
        self.stream.append(Event(tokens_revoked=user.revocation()))
        user.issued += comes_back

    @rule(number=USERS)
    def sign_in(self, number: int) -> None:
        """A user has a new token."""
        self.users[number].issued += 1

    @rule()
    def deliver(self) -> None:
        """Everything on the stream is read."""
        if self.broken:
            return
        for event in self.stream:
            self.feed.on_event(event)
            self.cache.drop(event.tags)
        self.stream.clear()
        self.last_read = self.now

    @rule()
    def lose(self) -> None:
        """Redis dies with what was on the stream."""
        self.stream.clear()
        self.broken = True

    @rule()
    def recover(self) -> None:
        """It is back, and the gateway notices that it is not what it was."""
        if self.broken:
            self.broken = False
            self.cache.clear()
            finish(self.feed.on_lost())
            self.deliver()

    @rule(number=USERS)
    def read_begins(self, number: int) -> None:
        """A user reads: from the cache, or a call is under way."""
        user = self.users[number]
        if not self.admitted(user):
            return
        cached = self.cache.get(self.key(user)) if self.feed.fresh else None
        if cached is None:
            if self.feed.fresh:
                self.fetches.append((self.cache.begin((f"user:{user.id}",)), user, (user.id, user.version)))
            return
        owner, version = cached
        assert owner == user.id, "another's data"
        if version < user.version:
            age = self.now - user.changed_at[version + 1]
            assert age <= BOUND_SECONDS, f"true until {age} s ago"
        if user.revoked_until >= user.issued:
            assert self.now - user.revoked_at < REVOKED_WITHIN_SECONDS, "revoked"

    @rule(number=USERS)
    def read(self, number: int) -> None:
        """A user reads, and gets the response at once."""
        before = len(self.fetches)
        self.read_begins(number)
        if len(self.fetches) > before:
            fetch, user, value = self.fetches.pop()
            self.cache.put(fetch, self.key(user), value, seconds=BOUND_SECONDS)

    @rule(data=st.data())
    def read_ends(self, data: st.DataObject) -> None:
        """One of the answers arrives."""
        if self.fetches:
            fetch, user, value = self.fetches.pop(data.draw(st.integers(0, len(self.fetches) - 1)))
            self.cache.put(fetch, self.key(user), value, seconds=BOUND_SECONDS)

    def admitted(self, user: User) -> bool:
        """Whether the gateway lets the token in, as the authenticator and auth-service say."""
        claims = Claims(
            user_id=user.id,
            role=Role.USER,
            session_id=None,
            token_id=user.id,
            expires_at=0,
            issued_at_milliseconds=user.issued,
        )
        if self.in_force.is_revoked(claims):
            return False
        return self.feed.fresh or user.revoked_until < user.issued

    def key(self, user: User) -> tuple[str, UUID]:
        """What answers are kept under."""
        return ("GetMe", user.id)

    def teardown(self) -> None:
        """Gives the clock back."""
        self.patch.undo()


def finish(work: Coroutine[Any, Any, None]) -> None:
    """Runs to its end what waits for nothing."""
    asyncio.run(work)


TestGateways = Gateways.TestCase
TestGateways.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def test_no_policy_asks_for_more_than_the_bound() -> None:
    """What the protos let the edge keep, it keeps for 5 s at most."""
    policies = [
        method.GetOptions().Extensions[options_pb2.policy]
        for service in descriptors.load().services
        for method in service.methods
    ]

    assert {policy.cache.near.ToSeconds() for policy in policies} == {0, 5}


def test_an_answer_that_was_slow_to_come_is_not_younger_for_it() -> None:
    """The bound counts from when the service was asked: since then the truth may be another."""
    cache: NearCache[str] = NearCache()
    with pytest.MonkeyPatch.context() as patch:
        clock = [100.0]
        patch.setattr(time, "monotonic", lambda: clock[0])
        fetch = cache.begin(("t",))
        clock[0] += 4
        cache.put(fetch, "key", "value", seconds=BOUND_SECONDS)
        assert cache.get("key") == "value"
        clock[0] += 1
        assert cache.get("key") is None
