"""API keys are asked about once a minute, and forgotten by the revocation that may concern them."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
import pytest_asyncio
from chassis.auth_client.api_key_cache import CACHED_SECONDS, ApiKeyCache
from chassis.errors import ServiceError, TokenInvalid, Unavailable
from chassis.identity.api_key import is_api_key, prefix_of
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from chassis.identity.role import Role
from chassis.ids import uuid7
from vestibule.auth.v1.token_service_pb2 import ApiKeyClaims
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

from tests.chassis.auth_client.auth_stand_in import Stack, open_stack, ready
from tests.chassis.waiting import until

PREFIX = "vst_abcdefgh2345"
KEY = f"{PREFIX}_{'0f' * 32}"
SENDER = Caller(client_address="203.0.113.7", user_agent="machine", request_id="r-1")


@dataclass(frozen=True)
class Owned:
    """A user's key."""

    key_id: UUID
    user_id: UUID

    def said(self, *, lives_seconds: float | None = None, role: str = "user") -> ApiKeyClaims:
        """Returns what auth-service says of it."""
        said = ApiKeyClaims(key_id=str(self.key_id), user_id=str(self.user_id), role=role, scopes=["read"])
        # auth-service's clock need not be ours.
        said.read_at.FromSeconds(1_000_000_000)
        if lives_seconds is not None:
            said.expires_at.FromMilliseconds(1_000_000_000_000 + int(lives_seconds * 1_000))
        return said


@pytest_asyncio.fixture(name="stack")
async def open_one() -> AsyncIterator[Stack]:
    """An authenticator that is ready."""
    async with open_stack() as stack:
        running = asyncio.create_task(stack.authenticator.run(stack.stream))
        await ready(stack.authenticator)
        yield stack
        running.cancel()


@pytest.fixture(name="owned")
def _owned(stack: Stack) -> Owned:
    """A key that auth-service knows."""
    owned = Owned(uuid7(), uuid7())
    stack.auth.api_key = owned.said()
    return owned


def revoked(*, session_id: UUID | None = None, user_id: UUID | None = None) -> Event:
    """Returns a revocation."""
    now = time.time_ns() // 1_000_000
    return Event(
        tokens_revoked=TokensRevoked(
            session_id=str(session_id or ""),
            user_id=str(user_id or ""),
            issued_until_milliseconds=now,
            expires_at_milliseconds=now + 900_000,
        )
    )


@pytest.mark.parametrize(
    "text", ["", "vst_", KEY[:-1], KEY + "0", KEY.upper(), KEY + "\n", KEY.replace("a", "1")]
)
async def test_what_cannot_be_a_key(stack: Stack, text: str) -> None:
    """Is refused without a lookup."""
    with pytest.raises(TokenInvalid):
        await stack.authenticator.authenticate(text)

    assert prefix_of(text) is None
    assert stack.auth.introspected == 0


def test_the_form_of_a_key() -> None:
    """No access token looks like one."""
    assert (is_api_key(KEY), prefix_of(KEY)) == (True, PREFIX)
    assert not is_api_key("eyJhbGciOiJFUzI1NiJ9.e30.c2ln")


async def test_asked_once(stack: Stack, owned: Owned) -> None:
    """Twenty at a time, and again: one lookup, in the name of who sent it."""
    answers = await asyncio.gather(*(stack.authenticator.authenticate(KEY, SENDER) for _ in range(20)))
    claims = await stack.authenticator.authenticate(KEY)

    assert {answer.user_id for answer in answers} == {owned.user_id}
    assert (claims.token_id, claims.session_id, claims.role) == (owned.key_id, None, "user")
    assert claims.scopes == frozenset({"read"})
    assert stack.auth.introspected == 1
    assert stack.auth.asked_by == [SENDER.client_address]


async def test_that_a_second_factor_is_missing_is_not_remembered(stack: Stack, owned: Owned) -> None:
    """The key works as soon as the second factor is set up, for which there is no event."""
    stack.auth.api_key = owned.said()
    stack.auth.api_key.must_enrol = True
    assert (await stack.authenticator.authenticate(KEY)).must_enrol
    stack.auth.api_key = owned.said(role="admin")

    claims = await stack.authenticator.authenticate(KEY)
    assert (claims.must_enrol, claims.role) == (False, "admin")


async def test_a_revocation_asks_again(stack: Stack, owned: Owned) -> None:
    """Revoking the key or its user; others' revocations change nothing."""
    await stack.authenticator.authenticate(KEY)
    for event in (revoked(session_id=uuid7()), revoked(user_id=uuid7()), Event(tags=["user:x"])):
        stack.authenticator.feed.on_event(event)
        await stack.authenticator.authenticate(KEY)
    assert stack.auth.introspected == 1

    stack.auth.api_key = owned.said(role="admin")
    stack.authenticator.feed.on_event(revoked(user_id=owned.user_id))
    assert (await stack.authenticator.authenticate(KEY)).role == "admin"
    stack.authenticator.feed.on_event(revoked(session_id=owned.key_id))
    stack.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError) as caught:
        await stack.authenticator.authenticate(KEY)

    assert caught.value.reason == "TOKEN_REVOKED"
    assert stack.auth.introspected == 3


async def test_an_answer_from_before_a_revocation_is_not_kept(stack: Stack, owned: Owned) -> None:
    """Nor shared with who asks after it."""
    early = asyncio.create_task(stack.authenticator.authenticate(KEY))
    await until(lambda: stack.auth.introspected == 1)
    stack.authenticator.feed.on_event(revoked(session_id=owned.key_id))
    stack.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError):
        await stack.authenticator.authenticate(KEY)
    await asyncio.gather(early, return_exceptions=True)
    with pytest.raises(ServiceError):
        await stack.authenticator.authenticate(KEY)


async def test_lost_events_forget_everything(stack: Stack, owned: Owned) -> None:
    """Among them may have been the key's."""
    await stack.authenticator.authenticate(KEY)
    await stack.authenticator.feed.on_lost()
    stack.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError):
        await stack.authenticator.authenticate(KEY)


async def test_silent_stream(stack: Stack, owned: Owned) -> None:
    """Memory may be old: each request is a lookup until the stream is back."""
    await stack.authenticator.authenticate(KEY)
    stack.stream.silent_seconds = 1
    await stack.authenticator.authenticate(KEY)
    stack.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError):
        await stack.authenticator.authenticate(KEY)

    assert stack.auth.introspected == 3


async def test_neither_memory_nor_auth_service(stack: Stack, owned: Owned) -> None:
    """While the stream is readable a cached key works for its minute; other keys are refused."""
    claims = await stack.authenticator.authenticate(KEY)
    await stack.stop()
    await stack.authenticator.authenticate(KEY)
    stack.stream.held_back_seconds = 1
    await stack.authenticator.authenticate(KEY)
    stack.stream.silent_seconds = 1
    with pytest.raises(Unavailable):
        await stack.authenticator.authenticate(KEY)
    await stack.authenticator.report_refusal(claims, "/a/A", SENDER)
    with pytest.raises(Unavailable):
        await stack.authenticator.authenticate(KEY[:-1] + "e")


async def test_refusals_are_reported(stack: Stack, owned: Owned) -> None:
    """Which key, what, and who sent it."""
    claims = await stack.authenticator.authenticate(KEY)
    await stack.authenticator.report_refusal(claims, "/a/A", SENDER)

    assert stack.auth.reported == [(str(owned.key_id), "/a/A", SENDER.client_address)]


async def test_an_answer_without_claims_is_none(stack: Stack) -> None:
    """An active answer without claims is refused."""
    with pytest.raises(Unavailable):
        await stack.authenticator.authenticate(KEY)


def claims_of(owned: Owned) -> Claims:
    """Returns claims."""
    return Claims(
        user_id=owned.user_id,
        role=Role.USER,
        session_id=None,
        token_id=owned.key_id,
        expires_at=4e9,
        issued_at_milliseconds=0,
        scopes=frozenset({"read"}),
    )


@pytest.mark.parametrize(("lives_seconds", "kept_seconds"), [(1e9, CACHED_SECONDS), (5.0, 5.0)])
def test_remembered_for_a_minute_and_no_longer_than_it_lives(
    monkeypatch: pytest.MonkeyPatch, lives_seconds: float, kept_seconds: float
) -> None:
    """Counted from before the lookup."""
    cache, now = ApiKeyCache(), 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    lookup = cache.begin()
    now = 1_001.0
    cache.put(lookup, b"k", claims_of(Owned(uuid7(), uuid7())), expires_in_seconds=lives_seconds)
    now = 1_000.0 + kept_seconds - 0.5
    assert cache.get(b"k") is not None
    now = 1_000.0 + kept_seconds
    assert cache.get(b"k") is None


def test_room_is_bounded() -> None:
    """The least recently used goes; a malformed revocation evicts all."""
    cache = ApiKeyCache(entries_max=2)
    for digest in (b"1", b"2", b"1", b"3"):
        if cache.get(digest) is None:
            claims = claims_of(Owned(uuid7(), uuid7()))
            cache.put(cache.begin(), digest, claims, expires_in_seconds=60)
    assert [cache.get(digest) is not None for digest in (b"1", b"2", b"3")] == [True, False, True]
    cache.evict(TokensRevoked(user_id="not-an-id"))

    assert cache.get(b"1") is None
