"""Tokens are judged from memory while memory is true, and by auth-service while it may not be."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from chassis.errors import ServiceError, TokenInvalid, TokenRevoked, Unavailable
from chassis.grpc.channel import open_channel
from chassis.grpc.server import build_server
from chassis.identity.authority import AUTHORITY_SERVICES, Authority
from chassis.identity.judge import RevocationJudge
from chassis.identity.service_tokens import ServiceTokens
from vestibule.auth.v1 import (
    key_service_pb2,
    key_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

from tests.chassis.grpc.hall import SERVICE_KEY, TableJudge
from tests.chassis.identity.tokens import AUDIENCE, ISSUER, KID, new_key, payload, published, sign

KEY = new_key()


@dataclass
class AuthService(key_service_pb2_grpc.KeyServiceServicer, token_service_pb2_grpc.TokenServiceServicer):
    """What a judge asks of auth-service, answered by a test."""

    keys: list[key_service_pb2.JsonWebKey] = field(default_factory=lambda: [published(KID, KEY)])
    revocations: list[TokensRevoked] = field(default_factory=list)
    refusal: str = ""
    introspected: int = 0

    async def GetJwks(self, request: Any, context: Any) -> Any:  # noqa: N802
        return key_service_pb2.GetJwksResponse(keys=self.keys)

    async def GetOpenidConfiguration(self, request: Any, context: Any) -> Any:  # noqa: N802
        return key_service_pb2.GetOpenidConfigurationResponse()

    async def ListRevocations(self, request: Any, context: Any) -> Any:  # noqa: N802
        return token_service_pb2.ListRevocationsResponse(revocations=self.revocations)

    async def IntrospectToken(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.introspected += 1
        await asyncio.sleep(0.02)
        return token_service_pb2.IntrospectTokenResponse(active=not self.refusal, reason=self.refusal)


@dataclass
class Stream:
    """A reader of the event stream that is as late as a test says."""

    silent_seconds: float = 0.1


@dataclass
class Court:
    """A judge and all that it asks."""

    auth: AuthService
    stream: Stream
    judge: RevocationJudge
    stop: Any


@asynccontextmanager
async def open_court(*, service: str = "gateway") -> AsyncIterator[Court]:
    auth, stream = AuthService(), Stream()
    server = build_server(service_tokens=ServiceTokens(SERVICE_KEY, "auth-service"), judge=TableJudge())
    server.add(key_service_pb2_grpc.add_KeyServiceServicer_to_server, auth)
    server.add(token_service_pb2_grpc.add_TokenServiceServicer_to_server, auth)
    port = await server.start("127.0.0.1:0")
    tokens = ServiceTokens(SERVICE_KEY, service)
    async with open_channel(
        f"127.0.0.1:{port}", service_tokens=tokens, services=AUTHORITY_SERVICES
    ) as channel:
        judge = RevocationJudge(Authority(channel), issuer=ISSUER, audience=AUDIENCE)
        try:
            yield Court(auth, stream, judge, lambda: server.stop(0))
        finally:
            await server.stop(0)


@pytest_asyncio.fixture(name="court")
async def open_one() -> AsyncIterator[Court]:
    """A judge that is ready."""
    async with open_court() as court:
        running = asyncio.create_task(court.judge.run(court.stream))
        await ready(court.judge)
        yield court
        running.cancel()


async def ready(judge: RevocationJudge) -> None:
    """Waits until a judge is ready."""
    for _ in range(500):
        if judge.ready:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never ready")


def of_user(claims: dict[str, Any]) -> TokensRevoked:
    """Returns a revocation of all tokens of a person until now."""
    now = time.time_ns() // 1_000_000
    return TokensRevoked(
        user_id=claims["sub"], issued_until_milliseconds=now, expires_at_milliseconds=now + 900_000
    )


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
