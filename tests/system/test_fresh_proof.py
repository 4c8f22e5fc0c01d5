"""Calls that need a fresh proof, over HTTP and by gRPC directly, and how one is given."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest
from chassis.grpc.policy import Policy
from devstack.topology import PROTO_PACKAGES
from gateway.api.descriptors import load
from gateway.api.routes import Route, compile_routes
from google.protobuf.message_factory import GetMessageClass
from vestibule.api.v1 import options_pb2

from tests.system import direct
from tests.system.client import PASSWORD, Answer, Client, User
from tests.system.machines import KEYS, made
from tests.system.passkeys import Owner, login_options
from tests.system.running_system import System

REAUTHENTICATE = "/api/auth/reauthenticate"
LIMIT_SECONDS = 300
ROUTES = [route for route in compile_routes(load().services) if route.policy.max_auth_age_seconds]


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _aged(system: System, token: str, seconds: float | None) -> str:
    """Returns the token with another time of its proof; without any when None."""
    claims = _claims(token)
    del claims["auth_time"]
    if seconds is not None:
        claims["auth_time"] = int(time.time() - seconds)
    return system.sign(claims)


def _proven(client: Client, system: System) -> User:
    """Returns a user with a verified address, who may make API keys."""
    user = client.join()
    system.change("UPDATE auth.credentials SET email_verified = true WHERE user_id = $1", user.id)
    return user


def _call(client: Client, route: Route, token: str) -> Answer:
    path = "/".join(part if isinstance(part, str) else str(uuid4()) for part in route.segments)
    return client.call(route.method, f"/{path}", token=token, json={} if route.body else None)


@pytest.fixture(name="channels", scope="module")
def _channels(system: System) -> Iterator[dict[str, grpc.Channel]]:
    channels = {
        package: grpc.insecure_channel(system.grpc(service.name))
        for package, service in PROTO_PACKAGES.items()
    }
    yield channels
    for channel in channels.values():
        channel.close()


def _refused_directly(system: System, channel: grpc.Channel, policy: Policy, token: str) -> str:
    """Returns the reason with which a service refuses a request that names another user."""
    fields = policy.descriptor.input_type.fields_by_name
    request = GetMessageClass(policy.descriptor.input_type)(
        **({"user_id": str(uuid4())} if "user_id" in fields else {})
    )
    call: Any = channel.unary_unary(policy.path)
    with pytest.raises(grpc.RpcError) as refused:
        call(
            request.SerializeToString(), metadata=direct.metadata(system, policy.audience, token), timeout=10
        )
    return direct.reason(refused.value)


def test_a_token_says_when_and_how(client: Client) -> None:
    """Signing in is a proof; refreshing is none."""
    ada = client.join()
    signed_in = _claims(ada.access_token)
    assert abs(signed_in["auth_time"] - time.time()) < 60
    assert signed_in["amr"] == ["pwd"]
    time.sleep(1.1)
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    again = _claims(refreshed.data["access_token"])

    assert (again["auth_time"], again["amr"]) == (signed_in["auth_time"], ["pwd"])
    assert again["iat"] > signed_in["iat"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.policy.descriptor.name)
def test_an_old_proof_does_not_do(client: Client, system: System, admin: User, route: Route) -> None:
    """As RFC 9470 says, whatever the body; a user is not asked for a proof of what only admins may do."""
    for seconds in (LIMIT_SECONDS + 40, None):
        answer = _call(client, route, _aged(system, admin.access_token, seconds))
        challenge = answer.headers["www-authenticate"]
        assert answer.outcome == (401, "REAUTHENTICATION_REQUIRED")
        assert 'error="insufficient_user_authentication"' in challenge
        assert f'max_age="{LIMIT_SECONDS}"' in challenge
    if route.policy.access == options_pb2.ACCESS_ADMIN:
        old = _aged(system, client.join().access_token, LIMIT_SECONDS + 40)
        assert _call(client, route, old).outcome == (403, "FORBIDDEN")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.policy.descriptor.name)
def test_services_do_not_rely_on_the_edge(
    client: Client, system: System, admin: User, channels: dict[str, grpc.Channel], route: Route
) -> None:
    """The services are called directly here; API keys are refused in any case."""
    channel = channels[route.policy.descriptor.containing_service.file.package]
    old = _aged(system, admin.access_token, LIMIT_SECONDS + 40)
    key = made(client, admin, "read", "write", "admin")

    assert _refused_directly(system, channel, route.policy, old) == "REAUTHENTICATION_REQUIRED"
    if not route.policy.options.HasField("keys_may"):
        assert _refused_directly(system, channel, route.policy, key["key"]) == "FORBIDDEN"
        assert _call(client, route, key["key"]).outcome == (403, "FORBIDDEN")
    client.delete(f"{KEYS}/{key['id']}", token=admin.access_token)


def test_a_password_renews_the_proof(client: Client, system: System) -> None:
    """The session stays the same, and a refreshed token keeps the new proof."""
    ada = _proven(client, system)
    system.change("UPDATE auth.sessions SET auth_time = now() - interval '1 hour' WHERE user_id = $1", ada.id)
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token}).data
    old = refreshed["access_token"]
    body = {"name": "report", "scopes": ["read"]}
    assert client.post(KEYS, token=old, json=body).outcome == (401, "REAUTHENTICATION_REQUIRED")
    assert client.put("/api/users/me", token=old, json={"full_name": "Renamed"}).status == 200
    address = client.put("/api/users/me", token=old, json={"email": "new@example.com"})
    assert address.outcome == (401, "REAUTHENTICATION_REQUIRED")

    answer = client.post(REAUTHENTICATE, token=old, json={"password": PASSWORD})

    assert answer.outcome == (200, None), answer.text
    assert set(answer.data) == {"access_token", "token_type", "expires_in"}
    assert (answer.data["token_type"], answer.data["expires_in"]) == ("bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    assert _claims(answer.data["access_token"])["sid"] == _claims(old)["sid"]
    assert client.post(KEYS, token=answer.data["access_token"], json=body).status == 201
    again = client.post("/api/auth/refresh", json={"refresh_token": refreshed["refresh_token"]}).data
    assert client.post(KEYS, token=again["access_token"], json=body).status == 201


def test_a_passkey_renews_the_proof(client: Client, owner: Owner) -> None:
    """With the options for signing in; another user's passkey is refused."""
    token = owner.user.access_token
    stranger = client.join()
    assertion = owner.device.get(login_options(client), owner.credential)
    refused = client.post(REAUTHENTICATE, token=stranger.access_token, json={"credential": assertion})
    assert refused.outcome == (401, "INVALID_CREDENTIALS")
    assertion = owner.device.get(login_options(client), owner.credential)
    answer = client.post(REAUTHENTICATE, token=token, json={"credential": assertion})

    assert answer.outcome == (200, None), answer.text
    assert _claims(answer.data["access_token"])["amr"][1:] == ["user", "mfa"]


def test_refusals(client: Client, system: System) -> None:
    """A wrong password does not end the session, no answer is 422, and an API key cannot prove anything."""
    ada = _proven(client, system)
    key = made(client, ada, "read", "write")["key"]

    wrong = client.post(REAUTHENTICATE, token=ada.access_token, json={"password": "not-the-password"})
    assert wrong.outcome == (401, "INVALID_CREDENTIALS")
    assert client.post(REAUTHENTICATE, token=ada.access_token, json={}).fields == {"password"}
    assert client.post(REAUTHENTICATE, token=key, json={"password": PASSWORD}).outcome == (403, "FORBIDDEN")
    assert client.post(REAUTHENTICATE, json={"password": PASSWORD}).outcome == (401, "UNAUTHENTICATED")
    assert client.who(ada.access_token).status == 200
