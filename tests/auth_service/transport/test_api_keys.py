"""API keys over gRPC: the service asks for scopes itself, whatever the edge has let through."""

import hmac
from datetime import UTC, datetime, timedelta

import pytest
from auth_service.adapters.hmac_secrets import HmacApiKeys
from chassis.errors import RemoteError
from chassis.idempotency.record import IdempotencyRecord
from chassis.identity.api_key import prefix_of
from chassis.ids import uuid7
from vestibule.auth.v1 import api_key_service_pb2 as pb
from vestibule.auth.v1 import auth_service_pb2, email_service_pb2, token_service_pb2
from vestibule.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub

from tests.auth_service.service import Service


async def _key(service: Service, *scopes: str, lives: timedelta | None = None) -> pb.CreateApiKeyResponse:
    tokens = await service.login()
    await service.pool.execute("UPDATE auth.credentials SET email_verified = true")  # As by the mailed token.
    service.come_as(tokens.access_token)
    request = pb.CreateApiKeyRequest(name="report", scopes=scopes)
    if lives is not None:
        request.expires_at.FromDatetime(datetime.now(UTC) + lives)
    made: pb.CreateApiKeyResponse = await ApiKeyServiceStub(service.channel).CreateApiKey(request)
    return made


async def _introspected(service: Service, key: str) -> token_service_pb2.IntrospectTokenResponse:
    request = token_service_pb2.IntrospectTokenRequest(token=key)
    said: token_service_pb2.IntrospectTokenResponse = await service.tokens.IntrospectToken(request)
    return said


async def test_the_service_refuses_keys_itself(service: Service) -> None:
    """A call past the gateway is refused and audited: changing the address needs a session."""
    await service.register()
    for key in (await _key(service, "read"), await _key(service, "read", "write")):
        service.come_as(key.key)
        for call in (
            service.emails.ResendVerification(email_service_pb2.ResendVerificationRequest()),
            service.auth.LogoutAll(auth_service_pb2.LogoutAllRequest()),
        ):
            with pytest.raises(RemoteError) as caught:
                await call
            assert caught.value.reason == "FORBIDDEN"

    assert (await service.actions()).count(("auth.api_key_refused", "refused")) == 4


async def test_introspection_returns_what_services_need(service: Service) -> None:
    """Whose it is, what it may, when it ends and what time it is."""
    user_id = await service.register()
    made = await _key(service, "read", "write", lives=timedelta(hours=1))
    said = await _introspected(service, made.key)
    wrong = await _introspected(service, made.key[:-1] + ("0" if made.key[-1] != "0" else "1"))

    assert (said.active, said.api_key.key_id, said.api_key.user_id) == (True, made.id, user_id)
    assert (said.api_key.role, list(said.api_key.scopes)) == ("user", ["read", "write"])
    assert said.api_key.expires_at == made.expires_at
    assert 3_500 < said.api_key.expires_at.ToSeconds() - said.api_key.read_at.ToSeconds() <= 3_600
    assert (wrong.active, wrong.reason, wrong.HasField("api_key")) == (False, "TOKEN_INVALID", False)


async def test_revoked_from_the_commit_on(service: Service) -> None:
    """And published to all services by the event that ends a session."""
    await service.register()
    made = await _key(service, "read")
    await ApiKeyServiceStub(service.channel).RevokeApiKey(pb.RevokeApiKeyRequest(key_id=made.id))

    assert (await _introspected(service, made.key)).reason == "TOKEN_REVOKED"
    assert made.id in {event.tokens_revoked.session_id for event in await service.events()}


async def test_postgres_holds_no_key(service: Service) -> None:
    """Its HMAC alone, which the table without the master key cannot make."""
    await service.register()
    made = await _key(service, "read")
    row = await service.pool.fetchrow("SELECT prefix, digest FROM auth.api_keys")

    assert row is not None
    assert row["prefix"] == made.prefix == prefix_of(made.key)
    assert row["digest"] != hmac.digest(b"", made.key.encode(), "sha256")
    assert made.key.removeprefix(made.prefix).encode() not in row["digest"]


def test_keys_are_drawn_from_256_bits() -> None:
    """No two alike, each known by its digest under the same key alone."""
    one, other = HmacApiKeys(b"k" * 32), HmacApiKeys(b"o" * 32)
    drawn = [one.draw() for _ in range(100)]

    assert len({key.prefix for key in drawn}) == len({key.text for key in drawn}) == 100
    for key in drawn:
        assert one.prefix(key.text) == key.prefix
        assert one.matches(key.text, key.digest)
        assert not other.matches(key.text, key.digest)
    assert not one.matches(drawn[0].text, drawn[1].digest)
    assert one.prefix("vst_short") is None


def test_an_attempts_key_is_the_same_each_time() -> None:
    """So that a lost one can be shown again; without the key it cannot be derived from the id."""
    idempotency, one = _attempt(), HmacApiKeys(b"k" * 32)
    drawn = one.draw(idempotency)

    assert drawn == one.draw(idempotency)
    assert one.prefix(drawn.text) == drawn.prefix
    for other in (one.draw(_attempt()), one.draw(), HmacApiKeys(b"o" * 32).draw(idempotency)):
        assert other.prefix != drawn.prefix
        assert other.text.split("_")[2] != drawn.text.split("_")[2]


def _attempt() -> IdempotencyRecord:
    return IdempotencyRecord(attempt_id=uuid7(), fingerprint=b"")
