"""What a call revokes is on the stream before the call is answered, whether or not the relay lives on."""

from typing import Any

import pytest
from chassis.errors import ServiceError, TokenInvalid
from chassis.events import stream
from chassis.events.early_publisher import EarlyPublisher
from chassis.grpc import committed
from chassis.identity.signed_events import verify_event
from chassis.ids import uuid7
from chassis.redis import open_redis
from devstack.valkey import Valkey
from vestibule.events.v1.events_pb2 import Event, TokensRevoked, UserChanged

from tests.fakes.service_keys import service_keys

KEYS = service_keys("auth-service")


async def answered(redis_url: str, *events: Event, refusal: ServiceError | None = None) -> Any:
    """Makes a call that commits events, and returns its answer; raises its refusal."""

    async def behave(request: Any, context: Any) -> Any:
        for event in events:
            committed.note(event)
        if refusal is not None:
            raise refusal
        return "answer"

    committed.collect()
    async with open_redis(redis_url, client_name="test") as redis:
        unused: Any = None
        return await EarlyPublisher(KEYS, redis).around(unused, behave)(unused, unused)


async def published(valkey: Valkey) -> list[Event]:
    """Returns the events on the stream, verified as readers verify them."""
    async with open_redis(valkey.url, client_name="test") as redis:
        (found,) = await redis.ask(("XRANGE", stream.STREAM, "-", "+"))
    entries = stream.entries(found)
    return [verify_event(KEYS, fields[stream.FIELD], fields[stream.SIGNATURE]) for _, fields in entries]


def revocation() -> Event:
    """Returns an event that revokes the tokens of a user."""
    return Event(tokens_revoked=TokensRevoked(user_id=str(uuid7()), issued_until_milliseconds=1))


async def test_revocations_are_published_before_the_answer(valkey: Valkey) -> None:
    """And nothing else, which the relay publishes in its order."""
    revoked = revocation()
    changed = Event(user_changed=UserChanged(user_id=str(uuid7())))
    assert await answered(valkey.url, changed, revoked) == "answer"

    assert [event.tokens_revoked for event in await published(valkey)] == [revoked.tokens_revoked]


async def test_a_refused_call_revokes_too(valkey: Valkey) -> None:
    """A spent refresh token is refused, and ends its session."""
    revoked = revocation()
    with pytest.raises(TokenInvalid):
        await answered(valkey.url, revoked, refusal=TokenInvalid())

    assert [event.tokens_revoked for event in await published(valkey)] == [revoked.tokens_revoked]


async def test_without_redis_calls_are_answered(own_valkey: Valkey) -> None:
    """The relay publishes it later; until then no process reads the stream either."""
    own_valkey.stop()
    assert await answered(own_valkey.url, revocation()) == "answer"


async def test_calls_without_revocations_ask_nothing_of_redis(valkey: Valkey) -> None:
    """Events of other services, which a call received with an answer, are theirs to publish."""
    other = revocation()
    other.source = "user-service"
    assert await answered(valkey.url, other) == "answer"
    assert await published(valkey) == []
