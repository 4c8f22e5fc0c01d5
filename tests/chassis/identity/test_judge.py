"""Tokens are judged from memory while memory is true, and by auth-service while it may not be."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chassis.errors import ServiceError, TokenInvalid, TokenRevoked, Unavailable
from vestibule.events.v1.events_pb2 import Event

from tests.chassis.identity.court import KEY, Court, of_user, open_court, ready
from tests.chassis.identity.tokens import KID, new_key, payload, published, sign


@pytest_asyncio.fixture(name="court")
async def open_one() -> AsyncIterator[Court]:
    """A judge that is ready."""
    async with open_court() as court:
        running = asyncio.create_task(court.judge.run(court.stream))
        await ready(court.judge)
        yield court
        running.cancel()


async def test_good_token_costs_no_question(court: Court) -> None:
    """Once verified it is remembered, and auth-service is not asked."""
    token = sign(KEY)
    unknown = court.judge.recall(token)
    claims = await court.judge.judge(token)

    assert unknown is None
    assert claims is await court.judge.judge(token)
    assert claims is court.judge.recall(token)
    assert court.auth.introspected == 0


async def test_revoked_by_an_event(court: Court) -> None:
    """From the event on a remembered token is refused; other events change nothing."""
    claims = payload()
    token = sign(KEY, claims)
    await court.judge.judge(token)
    court.judge.feed.on_event(Event(tags=["user:x"]))
    await court.judge.judge(token)
    court.judge.feed.on_event(Event(tokens_revoked=of_user(claims)))
    with pytest.raises(TokenRevoked):
        await court.judge.judge(token)
    with pytest.raises(TokenRevoked):
        court.judge.recall(token)


async def test_revoked_before_the_start() -> None:
    """The list of auth-service is taken before anything is believed."""
    claims = payload()
    async with open_court() as court:
        court.auth.revocations = [of_user(claims)]
        running = asyncio.create_task(court.judge.run(court.stream))
        await ready(court.judge)
        with pytest.raises(TokenRevoked):
            await court.judge.judge(sign(KEY, claims))
        running.cancel()


async def test_revoked_while_events_were_lost(court: Court) -> None:
    """When the stream was lost the list is taken again."""
    claims = payload()
    court.auth.revocations = [of_user(claims)]
    await court.judge.judge(sign(KEY, claims))
    await court.judge.feed.on_lost()
    with pytest.raises(TokenRevoked):
        await court.judge.judge(sign(KEY, claims))


@pytest.mark.parametrize("reason", ["TOKEN_REVOKED", "TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_NEW_REASON"])
async def test_silent_stream(court: Court, reason: str) -> None:
    """Memory may be old: every token is introspected, each time, until the stream is back."""
    token = sign(KEY)
    await court.judge.judge(token)
    court.stream.silent_seconds = 1
    await court.judge.judge(token)
    court.auth.refusal = reason
    unsure = court.judge.recall(token)
    with pytest.raises(ServiceError) as caught:
        await court.judge.judge(token)
    asked = court.auth.introspected
    court.stream.silent_seconds = 0
    await court.judge.judge(token)

    assert unsure is None
    assert caught.value.reason == (reason if reason != "TOKEN_NEW_REASON" else TokenInvalid.reason)
    assert asked == court.auth.introspected == 2


async def test_same_question_is_asked_once_at_a_time(court: Court) -> None:
    """A page that sends twenty requests with one token asks once, and one that hangs up harms none."""
    token = sign(KEY)
    court.stream.silent_seconds = 1
    asking = [asyncio.create_task(court.judge.judge(token)) for _ in range(20)]
    await asyncio.sleep(0.01)
    asking[0].cancel()
    answers = await asyncio.gather(*asking[1:])

    assert len(answers) == 19
    assert court.auth.introspected == 1


async def test_neither_stream_nor_auth_service(court: Court) -> None:
    """Nobody is let in on a guess, and a revoked token stays revoked."""
    claims = payload()
    token = sign(KEY)
    await court.judge.judge(token)
    court.judge.feed.on_event(Event(tokens_revoked=of_user(claims)))
    court.stream.silent_seconds = 1
    await court.stop()
    with pytest.raises(Unavailable):
        await court.judge.judge(token)
    with pytest.raises(TokenRevoked):
        await court.judge.judge(sign(KEY, claims))


async def test_auth_service_that_cannot_reach_the_stream(court: Court) -> None:
    """The stream is read and brings nothing: every token is introspected until the pulse is back."""
    token = sign(KEY)
    await court.judge.judge(token)
    court.stream.held_back_seconds = 1
    await court.judge.judge(token)
    court.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(TokenRevoked):
        await court.judge.judge(token)

    assert court.auth.introspected == 2


async def test_no_auth_service_at_all(court: Court) -> None:
    """Nobody listens there, so nobody revokes: what the stream has brought goes on to count."""
    claims = payload()
    token = sign(KEY)
    await court.judge.judge(token)
    court.judge.feed.on_event(Event(tokens_revoked=of_user(claims)))
    court.stream.held_back_seconds = 1
    await court.stop()

    await court.judge.judge(token)
    with pytest.raises(TokenRevoked):
        await court.judge.judge(sign(KEY, claims))


async def test_auth_service_away_at_the_start() -> None:
    """Not ready, nobody let in, and ready by itself when auth-service comes."""
    async with open_court() as court:
        await court.stop()
        running = asyncio.create_task(court.judge.run(court.stream))
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable):
            await court.judge.judge(sign(KEY))

        assert not court.judge.ready
        running.cancel()


async def test_service_that_may_not_ask() -> None:
    """A refusal of the service itself is not taken for a verdict on the token."""
    async with open_court(service="stranger") as court:
        with pytest.raises(Unavailable):
            await court.judge.judge(sign(KEY))
        with pytest.raises(Unavailable):
            await court.judge.feed.on_lost()


@pytest.mark.parametrize(
    "change", [{"kid": ""}, {"alg": "ES384"}, {"use": "enc"}, {"crv": "P-384"}, {"x": "AAAA"}, {"kty": "RSA"}]
)
async def test_keys_that_are_no_use(court: Court, change: dict[str, str]) -> None:
    """A key of another kind is left out; publishing nothing else is a failure."""
    bad = published("bad", new_key())
    for name, value in change.items():
        setattr(bad, name, value)
    authority = court.judge._authority
    court.auth.keys = [bad, published(KID, KEY)]
    usable = await authority.keys()
    court.auth.keys = [bad]

    assert {KID} == set(usable)
    with pytest.raises(Unavailable):
        await authority.keys()
