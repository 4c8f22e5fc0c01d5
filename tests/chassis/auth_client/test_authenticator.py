"""Tokens are authenticated from memory while it is up to date, and by auth-service otherwise."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chassis.auth_client import revocation_feed
from chassis.auth_client.client import SHARED_SECONDS
from chassis.auth_client.revocation_feed import FRESH_SECONDS
from chassis.errors import ServiceError, TokenInvalid, TokenRevoked, Unavailable
from vestibule.events.v1.events_pb2 import Event

from tests.chassis.auth_client.auth_stand_in import KEY, Stack, of_user, open_stack, ready
from tests.chassis.identity.tokens import KID, new_key, payload, published, sign
from tests.chassis.waiting import until


@pytest_asyncio.fixture(name="stack")
async def open_one() -> AsyncIterator[Stack]:
    """An authenticator that is ready."""
    async with open_stack() as stack:
        running = asyncio.create_task(stack.authenticator.run(stack.stream))
        await ready(stack.authenticator)
        yield stack
        running.cancel()


async def test_good_token_costs_no_question(stack: Stack) -> None:
    """Once verified it is remembered, and auth-service is not asked."""
    token = sign(KEY)
    unknown = stack.authenticator.authenticate_cached(token)
    claims = await stack.authenticator.authenticate(token)

    assert unknown is None
    assert claims is await stack.authenticator.authenticate(token)
    assert claims is stack.authenticator.authenticate_cached(token)
    assert stack.auth.introspected == 0


async def test_revoked_by_an_event(stack: Stack) -> None:
    """From the event on a remembered token is refused; other events change nothing."""
    claims = payload()
    token = sign(KEY, claims)
    await stack.authenticator.authenticate(token)
    stack.authenticator.feed.on_event(Event(tags=["user:x"]))
    await stack.authenticator.authenticate(token)
    stack.authenticator.feed.on_event(Event(tokens_revoked=of_user(claims)))
    with pytest.raises(TokenRevoked):
        await stack.authenticator.authenticate(token)
    with pytest.raises(TokenRevoked):
        stack.authenticator.authenticate_cached(token)


async def test_revoked_before_the_start() -> None:
    """The list of auth-service is taken before anything is believed."""
    claims = payload()
    async with open_stack() as stack:
        stack.auth.revocations = [of_user(claims)]
        running = asyncio.create_task(stack.authenticator.run(stack.stream))
        await ready(stack.authenticator)
        with pytest.raises(TokenRevoked):
            await stack.authenticator.authenticate(sign(KEY, claims))
        running.cancel()


async def test_revoked_while_events_were_lost(stack: Stack) -> None:
    """When the stream was lost the list is taken again."""
    claims = payload()
    stack.auth.revocations = [of_user(claims)]
    await stack.authenticator.authenticate(sign(KEY, claims))
    await stack.authenticator.feed.on_lost()
    with pytest.raises(TokenRevoked):
        await stack.authenticator.authenticate(sign(KEY, claims))


@pytest.mark.parametrize("reason", ["TOKEN_REVOKED", "TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_NEW_REASON"])
async def test_silent_stream(stack: Stack, reason: str) -> None:
    """Memory may be old: every token is introspected, each time, until the stream is back."""
    token = sign(KEY)
    await stack.authenticator.authenticate(token)
    stack.stream.silent_seconds = 1
    await stack.authenticator.authenticate(token)
    stack.auth.refusal = reason
    unsure = stack.authenticator.authenticate_cached(token)
    with pytest.raises(ServiceError) as caught:
        await stack.authenticator.authenticate(token)
    asked = stack.auth.introspected
    stack.stream.silent_seconds = 0
    await stack.authenticator.authenticate(token)

    assert unsure is None
    assert caught.value.reason == (reason if reason != "TOKEN_NEW_REASON" else TokenInvalid.reason)
    assert asked == stack.auth.introspected == 2


async def test_same_question_is_asked_once_at_a_time(stack: Stack) -> None:
    """A page that sends twenty requests with one token asks once, and one that hangs up harms none."""
    token = sign(KEY)
    stack.stream.silent_seconds = 1
    asking = [asyncio.create_task(stack.authenticator.authenticate(token)) for _ in range(20)]
    await asyncio.sleep(0.01)
    asking[0].cancel()
    answers = await asyncio.gather(*asking[1:])

    assert len(answers) == 19
    assert stack.auth.introspected == 1


async def test_who_comes_later_joins_no_answer_from_before_a_revocation(stack: Stack) -> None:
    """An instance of auth-service that hangs does not have a token accepted that another one has revoked."""
    token = sign(KEY)
    stack.stream.silent_seconds = 1
    stack.auth.answers_after_seconds = 3 * SHARED_SECONDS
    early = asyncio.create_task(stack.authenticator.authenticate(token))
    await until(lambda: stack.auth.introspected == 1)
    await asyncio.sleep(SHARED_SECONDS)
    stack.auth.refusal = "TOKEN_REVOKED"
    assert not early.done()
    with pytest.raises(TokenRevoked):
        await stack.authenticator.authenticate(token)
    await early


async def test_neither_stream_nor_auth_service(stack: Stack) -> None:
    """Tokens are refused rather than accepted unchecked, and a revoked token stays revoked."""
    claims = payload()
    token = sign(KEY)
    await stack.authenticator.authenticate(token)
    stack.authenticator.feed.on_event(Event(tokens_revoked=of_user(claims)))
    stack.stream.silent_seconds = 1
    await stack.stop()
    with pytest.raises(Unavailable):
        await stack.authenticator.authenticate(token)
    with pytest.raises(TokenRevoked):
        await stack.authenticator.authenticate(sign(KEY, claims))


async def test_auth_service_that_cannot_reach_the_stream(stack: Stack) -> None:
    """The stream is read and brings nothing: every token is introspected until the heartbeat is back."""
    token = sign(KEY)
    await stack.authenticator.authenticate(token)
    stack.stream.held_back_seconds = 1
    await stack.authenticator.authenticate(token)
    stack.auth.refusal = "TOKEN_REVOKED"
    with pytest.raises(TokenRevoked):
        await stack.authenticator.authenticate(token)

    assert stack.auth.introspected == 2


@pytest.mark.parametrize("knows_requests", [True, False])
async def test_heartbeats_are_requested_while_tokens_are_authenticated(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, knows_requests: bool
) -> None:
    """From the first token on and as long as more come; also of a release that refuses the request."""
    monkeypatch.setattr(revocation_feed, "REQUEST_HEARTBEATS_SECONDS", 0.05)
    stack.auth.knows_requests = knows_requests
    token = sign(KEY)
    await asyncio.sleep(0.3)
    before = stack.auth.heartbeat_requests

    async def are_requested_again() -> bool:
        await stack.authenticator.authenticate(token)
        return stack.auth.heartbeat_requests > 2

    await until(are_requested_again)
    await asyncio.sleep(0.5)
    last = stack.auth.heartbeat_requests
    await asyncio.sleep(0.5)

    assert before == 0
    assert stack.auth.heartbeat_requests == last


async def test_no_auth_service_at_all(stack: Stack) -> None:
    """No auth-service runs, so none revokes: the revocations in memory decide."""
    claims = payload()
    token = sign(KEY)
    await stack.authenticator.authenticate(token)
    stack.authenticator.feed.on_event(Event(tokens_revoked=of_user(claims)))
    stack.stream.held_back_seconds = 1
    await stack.stop()

    await stack.authenticator.authenticate(token)
    with pytest.raises(TokenRevoked):
        await stack.authenticator.authenticate(sign(KEY, claims))


async def test_auth_service_dies_cut_off_from_the_stream(stack: Stack) -> None:
    """What it acknowledged then is on no stream: nothing is accepted until one runs again."""
    claims = payload()
    token = sign(KEY, claims)
    await asyncio.sleep(FRESH_SECONDS)  # Or the list from the start would be of the last moment.
    stack.stream.held_back_seconds = 60
    await stack.authenticator.authenticate(token)
    stack.auth.revocations = [of_user(claims)]
    await stack.stop()
    for unsure in (token, sign(KEY)):
        with pytest.raises(Unavailable):
            await stack.authenticator.authenticate(unsure)


async def test_auth_service_dies_after_it_could_publish_again(stack: Stack) -> None:
    """A heartbeat since its last answer shows that the stream has all that it acknowledged."""
    token = sign(KEY)
    stack.stream.held_back_seconds = 1
    await stack.authenticator.authenticate(token)
    stack.stream.held_back_seconds = 0
    await asyncio.sleep(2 * FRESH_SECONDS)
    stack.stream.held_back_seconds = FRESH_SECONDS
    await stack.stop()

    await stack.authenticator.authenticate(token)


async def test_auth_service_away_at_the_start() -> None:
    """Not ready and no token accepted, until auth-service starts."""
    async with open_stack() as stack:
        await stack.stop()
        running = asyncio.create_task(stack.authenticator.run(stack.stream))
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable):
            await stack.authenticator.authenticate(sign(KEY))

        assert not stack.authenticator.ready
        running.cancel()


async def test_service_that_may_not_ask() -> None:
    """A refusal of the service itself is not taken for a verdict on the token."""
    async with open_stack(service="stranger") as stack:
        with pytest.raises(Unavailable):
            await stack.authenticator.authenticate(sign(KEY))
        with pytest.raises(Unavailable):
            await stack.authenticator.feed.on_lost()


@pytest.mark.parametrize(
    "change", [{"kid": ""}, {"alg": "ES384"}, {"use": "enc"}, {"crv": "P-384"}, {"x": "AAAA"}, {"kty": "RSA"}]
)
async def test_keys_that_are_no_use(stack: Stack, change: dict[str, str]) -> None:
    """A key of another kind is left out; publishing nothing else is a failure."""
    bad = published("bad", new_key())
    for name, value in change.items():
        setattr(bad, name, value)
    client = stack.authenticator._client
    stack.auth.keys = [bad, published(KID, KEY)]
    usable = await client.keys()
    stack.auth.keys = [bad]

    assert {KID} == set(usable)
    with pytest.raises(Unavailable):
        await client.keys()
