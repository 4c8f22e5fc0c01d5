"""API keys are asked about once a minute, and forgotten by the revocation that may concern them."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
import pytest_asyncio
from chassis.errors import ServiceError, TokenInvalid, Unavailable
from chassis.identity.api_key import is_api_key, prefix_of
from chassis.identity.api_key_memory import REMEMBERED_SECONDS, ApiKeyMemory
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from chassis.ids import uuid7
from vestibule.auth.v1.token_service_pb2 import ApiKeyClaims
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

from tests.chassis.identity.court import Court, open_court, ready
from tests.chassis.waiting import until

PREFIX = "vst_abcdefgh2345"
KEY = f"{PREFIX}_{'0f' * 32}"
SENDER = Caller(client_address="203.0.113.7", user_agent="machine", request_id="r-1")


@dataclass(frozen=True)
class Owned:
    """A key of somebody."""

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


@pytest_asyncio.fixture(name="court")
async def open_one() -> AsyncIterator[Court]:
    """A judge that is ready."""
    async with open_court() as court:
        running = asyncio.create_task(court.judge.run(court.stream))
        await ready(court.judge)
        yield court
        running.cancel()


@pytest.fixture(name="owned")
def _owned(court: Court) -> Owned:
    """A key that auth-service knows."""
    owned = Owned(uuid7(), uuid7())
    court.auth.api_key = owned.said()
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
async def test_what_cannot_be_a_key(court: Court, text: str) -> None:
    """Is refused without a question."""
    with pytest.raises(TokenInvalid):
        await court.judge.judge(text)

    assert prefix_of(text) is None
    assert court.auth.introspected == 0


def test_the_form_of_a_key() -> None:
    """No access token looks like one."""
    assert (is_api_key(KEY), prefix_of(KEY)) == (True, PREFIX)
    assert not is_api_key("eyJhbGciOiJFUzI1NiJ9.e30.c2ln")


async def test_asked_once(court: Court, owned: Owned) -> None:
    """Twenty at a time, and again: one question, in the name of who sent it."""
    answers = await asyncio.gather(*(court.judge.judge(KEY, SENDER) for _ in range(20)))
    claims = await court.judge.judge(KEY)

    assert {answer.user_id for answer in answers} == {owned.user_id}
    assert (claims.token_id, claims.session_id, claims.role) == (owned.key_id, None, "user")
    assert claims.scopes == frozenset({"read"})
    assert court.auth.introspected == 1
    assert court.auth.asked_by == [SENDER.client_address]


async def test_that_a_second_factor_is_missing_is_not_remembered(court: Court, owned: Owned) -> None:
    """The key works as soon as there is one, of which no event tells."""
    court.auth.api_key = owned.said()
    court.auth.api_key.must_enrol = True
    assert (await court.judge.judge(KEY)).must_enrol
    court.auth.api_key = owned.said(role="admin")

    claims = await court.judge.judge(KEY)
    assert (claims.must_enrol, claims.role) == (False, "admin")


async def test_a_revocation_asks_again(court: Court, owned: Owned) -> None:
    """The key's own and its person's; anybody else's changes nothing."""
    await court.judge.judge(KEY)
    for event in (revoked(session_id=uuid7()), revoked(user_id=uuid7()), Event(tags=["user:x"])):
        court.judge.feed.on_event(event)
        await court.judge.judge(KEY)
    assert court.auth.introspected == 1

    court.auth.api_key = owned.said(role="admin")
    court.judge.feed.on_event(revoked(user_id=owned.user_id))
    assert (await court.judge.judge(KEY)).role == "admin"
    court.judge.feed.on_event(revoked(session_id=owned.key_id))
    court.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError) as caught:
        await court.judge.judge(KEY)

    assert caught.value.reason == "TOKEN_REVOKED"
    assert court.auth.introspected == 3


async def test_an_answer_from_before_a_revocation_is_not_kept(court: Court, owned: Owned) -> None:
    """Nor shared with who asks after it."""
    early = asyncio.create_task(court.judge.judge(KEY))
    await until(lambda: court.auth.introspected == 1)
    court.judge.feed.on_event(revoked(session_id=owned.key_id))
    court.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError):
        await court.judge.judge(KEY)
    await asyncio.gather(early, return_exceptions=True)
    with pytest.raises(ServiceError):
        await court.judge.judge(KEY)


async def test_lost_events_forget_everything(court: Court, owned: Owned) -> None:
    """Among them may have been the key's."""
    await court.judge.judge(KEY)
    await court.judge.feed.on_lost()
    court.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError):
        await court.judge.judge(KEY)


async def test_silent_stream(court: Court, owned: Owned) -> None:
    """Memory may be old: each request is a question until the stream is back."""
    await court.judge.judge(KEY)
    court.stream.silent_seconds = 1
    await court.judge.judge(KEY)
    court.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(ServiceError):
        await court.judge.judge(KEY)

    assert court.auth.introspected == 3


async def test_neither_memory_nor_auth_service(court: Court, owned: Owned) -> None:
    """While the stream is read a remembered key goes on for its minute; nobody else is let in."""
    claims = await court.judge.judge(KEY)
    await court.stop()
    await court.judge.judge(KEY)
    court.stream.held_back_seconds = 1
    await court.judge.judge(KEY)
    court.stream.silent_seconds = 1
    with pytest.raises(Unavailable):
        await court.judge.judge(KEY)
    await court.judge.report_refusal(claims, "/a/A", SENDER)
    with pytest.raises(Unavailable):
        await court.judge.judge(KEY[:-1] + "e")


async def test_refusals_are_told(court: Court, owned: Owned) -> None:
    """Which key, what, and who sent it."""
    claims = await court.judge.judge(KEY)
    await court.judge.report_refusal(claims, "/a/A", SENDER)

    assert court.auth.reported == [(str(owned.key_id), "/a/A", SENDER.client_address)]


async def test_an_answer_without_claims_is_none(court: Court) -> None:
    """A key is not believed in what nobody said of it."""
    with pytest.raises(Unavailable):
        await court.judge.judge(KEY)


def claims_of(owned: Owned) -> Claims:
    """Returns claims."""
    return Claims(
        user_id=owned.user_id,
        role="user",
        session_id=None,
        token_id=owned.key_id,
        expires_at=4e9,
        issued_at_milliseconds=0,
        scopes=frozenset({"read"}),
    )


@pytest.mark.parametrize(("lives_seconds", "kept_seconds"), [(1e9, REMEMBERED_SECONDS), (5.0, 5.0)])
def test_remembered_for_a_minute_and_no_longer_than_it_lives(
    monkeypatch: pytest.MonkeyPatch, lives_seconds: float, kept_seconds: float
) -> None:
    """Counted from before the question."""
    memory, now = ApiKeyMemory(), 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    question = memory.begin()
    now = 1_001.0
    memory.keep(question, b"k", claims_of(Owned(uuid7(), uuid7())), good_for_seconds=lives_seconds)
    now = 1_000.0 + kept_seconds - 0.5
    assert memory.recall(b"k") is not None
    now = 1_000.0 + kept_seconds
    assert memory.recall(b"k") is None


def test_room_is_bounded() -> None:
    """The least recently used goes; a revocation that names nobody forgets all."""
    memory = ApiKeyMemory(remembered_max=2)
    for digest in (b"1", b"2", b"1", b"3"):
        if memory.recall(digest) is None:
            claims = claims_of(Owned(uuid7(), uuid7()))
            memory.keep(memory.begin(), digest, claims, good_for_seconds=60)
    assert [memory.recall(digest) is not None for digest in (b"1", b"2", b"3")] == [True, False, True]
    memory.forget(TokensRevoked(user_id="nobody"))

    assert memory.recall(b"1") is None
