"""The limit on everything, and whom each request counts for."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from chassis.errors import Kind, ServiceError
from chassis.identity.role import Role
from chassis.ids import uuid7
from devstack.valkey import Valkey
from gateway.settings import GatewaySettings

from tests.gateway.stack import FakeUpstream, Gateway, bearer, serving_gateway, settings
from tests.user_service.auth_stand_in import AuthStandIn

FEW = 5
OK, UNAUTHENTICATED, FORBIDDEN, TOO_LARGE, UNSUPPORTED, TOO_MANY = 200, 401, 403, 413, 415, 429

Given = Callable[..., GatewaySettings]


@pytest.fixture(name="given")
def _given(auth: AuthStandIn, users_address: str, valkey: Valkey) -> Given:
    """Returns a maker of settings for a gateway behind a proxy."""

    def make(**further: Any) -> GatewaySettings:
        return settings(auth, users_address, valkey, trusted_proxies="127.0.0.0/8", **further)

    return make


def _somewhere() -> dict[str, str]:
    """Returns headers of a client under an address that no other client has."""
    network = uuid7().int % 2**32
    return {"X-Forwarded-For": f"2001:db8:{network >> 16:x}:{network % 65536:x}::1"}


def _key(number: int) -> str:
    return f"vst_abcdefghijkl_{number:064x}"


async def _statuses(gateway: Gateway, times: int, method: str, path: str, **request: Any) -> list[int]:
    return [(await gateway.http.request(method, path, **request)).status_code for _ in range(times)]


async def _fresh(gateway: Gateway, auth: AuthStandIn, user_id: UUID) -> None:
    """Waits until the gateway has received every revocation: until then it introspects each request."""
    auth.api_keys[_key(0)] = user_id
    async with asyncio.timeout(10):
        asked = -1
        while asked != auth.introspections:
            asked = auth.introspections
            await gateway.http.get("/api/users", headers={**_somewhere(), **bearer(_key(0))})
    auth.introspections = 0


async def test_the_default_is_1200_a_minute(given: Given) -> None:
    """Every answer says where the client stands."""
    async with serving_gateway(given()) as gateway:
        answer = await gateway.http.get("/api/health", headers=_somewhere())

    assert answer.headers["ratelimit-policy"] == '"client";q=1200;w=60'
    assert answer.headers["ratelimit"].startswith('"client";r=1199;t=')


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/health"),
        ("GET", "/api/no/such/thing"),
        ("GET", "/nowhere"),
        ("PATCH", "/api/health"),
        ("OPTIONS", "/api/users/me"),
        ("GET", "/docs"),
        ("GET", "/docs/start.js"),
        ("GET", "/openapi.json"),
        ("GET", "/api/users/me"),
        ("POST", "/api/auth/login"),
    ],
)
async def test_everything_counts(given: Given, method: str, path: str) -> None:
    """Pages, refusals, and paths that do not exist use up the same limit."""
    sender = _somewhere()
    async with serving_gateway(given(client_limit=FEW)) as gateway:
        statuses = await _statuses(gateway, FEW, method, path, headers=sender)
        refused = await gateway.http.get("/api/health", headers=sender)
        other = await gateway.http.get("/api/health", headers=_somewhere())

    assert TOO_MANY not in statuses
    assert refused.status_code == TOO_MANY
    assert refused.json()["error"]["code"] == "RATE_LIMITED"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == f'"client";q={FEW};w=60'
    assert other.status_code == OK


class _Guessed(ServiceError):
    kind = Kind.EXHAUSTED
    reason = "TOO_MANY_ATTEMPTS"


async def test_a_limit_that_the_service_keeps(given: Given, upstream: FakeUpstream) -> None:
    """Is the first of the fields, since it is the one that refuses, although the others are not used up."""
    upstream.failure = _Guessed(retry_after_seconds=900)
    async with serving_gateway(given(client_limit=FEW)) as gateway:
        refused = await gateway.http.get("/api/health/stream", headers=_somewhere())

    assert refused.status_code == TOO_MANY
    assert refused.headers["retry-after"] == "900"
    assert refused.headers["ratelimit"].startswith('"too_many_attempts";r=0;t=900, "client";r=')
    assert refused.headers["ratelimit-policy"] == f'"client";q={FEW};w=60'


async def test_probes_are_not_limited(given: Given) -> None:
    """A probe that is refused would have this process restarted."""
    sender = _somewhere()
    async with serving_gateway(given(client_limit=1)) as gateway:
        for path in ("/health", "/ready", "/metrics"):
            assert await _statuses(gateway, 3, "GET", path, headers=sender) == [OK] * 3


async def test_a_user_has_one_limit_from_every_address(
    given: Given, auth: AuthStandIn, token: str, upstream: FakeUpstream
) -> None:
    """It holds for all of the user's sessions; others at the same address do not pay for it."""
    (ada,) = upstream.names
    tokens = [token, auth.token(ada, Role.USER)]
    bob = uuid7()
    upstream.names[bob] = "Bob"
    here = _somewhere()
    async with serving_gateway(given(client_limit=FEW)) as gateway:
        statuses = []
        for turn in range(FEW + 1):
            headers = {**(_somewhere() if turn else here), **bearer(tokens[turn % 2])}
            statuses.append((await gateway.http.get("/api/users/me", headers=headers)).status_code)
        bobs = {**here, **bearer(auth.token(bob, Role.USER))}
        beside = await gateway.http.get("/api/users/me", headers=bobs)
        anonymous = await gateway.http.get("/api/health", headers=here)

    assert statuses == [OK] * FEW + [TOO_MANY]
    assert beside.status_code == anonymous.status_code == OK
    assert anonymous.headers["ratelimit"].startswith(f'"client";r={FEW - 1};')


async def test_bad_tokens_count_for_the_address(given: Given, token: str) -> None:
    """A forged token cannot use up the limit of the user whom it names."""
    head, _, signature = token.rpartition(".")
    headers = {**_somewhere(), **bearer(f"{head}.{signature[::-1]}")}
    async with serving_gateway(given(client_limit=FEW)) as gateway:
        statuses = await _statuses(gateway, FEW + 1, "GET", "/api/users/me", headers=headers)
        owner = await gateway.http.get("/api/users/me", headers={**_somewhere(), **bearer(token)})

    assert statuses == [UNAUTHENTICATED] * FEW + [TOO_MANY]
    assert owner.headers["ratelimit"].startswith(f'"client";r={FEW - 1};')


async def test_unknown_keys_are_asked_about_within_the_limit(given: Given, auth: AuthStandIn) -> None:
    """Each costs auth-service a query, so the address pays before auth-service is asked."""
    sender = _somewhere()
    async with serving_gateway(given(client_limit=FEW)) as gateway:
        statuses = []
        for number in range(3 * FEW):
            headers = {**sender, **bearer(_key(number))}
            statuses.append((await gateway.http.get("/api/users/me", headers=headers)).status_code)

    assert statuses == [UNAUTHENTICATED] * FEW + [TOO_MANY] * 2 * FEW
    assert auth.introspections == FEW


async def test_a_good_key_has_a_limit_of_its_own(given: Given, auth: AuthStandIn, ada: UUID) -> None:
    """It costs its address one request, when auth-service is asked; from then on the key alone counts."""
    auth.api_keys[_key(7)] = ada
    sender = _somewhere()
    headers = {**sender, **bearer(_key(7))}
    async with serving_gateway(given(client_limit=FEW)) as gateway:
        await _fresh(gateway, auth, ada)
        statuses = await _statuses(gateway, FEW + 1, "GET", "/api/users", headers=headers)
        beside = await gateway.http.get("/api/health", headers=sender)

    assert statuses == [FORBIDDEN] * FEW + [TOO_MANY]
    assert beside.headers["ratelimit"].startswith(f'"client";r={FEW - 2};')
    assert auth.introspections == 1


async def test_a_routes_limit_by_user(
    given: Given, auth: AuthStandIn, token: str, upstream: FakeUpstream
) -> None:
    """Garbage counts too; others at the same address are counted apart, and so are calls without a token."""
    sender = _somewhere()
    bob = uuid7()
    upstream.names[bob] = "Bob"
    mine = {**sender, **bearer(token)}
    async with serving_gateway(given()) as gateway:
        first = await gateway.http.request("DELETE", "/api/users/me", content=b"{", headers=mine)
        statuses = await _statuses(gateway, 10, "DELETE", "/api/users/me", content=b"{", headers=mine)
        elsewhere = await _statuses(
            gateway, 1, "DELETE", "/api/users/me", headers={**_somewhere(), **bearer(token)}
        )
        refused = await gateway.http.request("DELETE", "/api/users/me", content=b"{", headers=mine)
        bobs = {**sender, **bearer(auth.token(bob, Role.USER))}
        other = await _statuses(gateway, 1, "DELETE", "/api/users/me", content=b"{", headers=bobs)
        anonymous = await _statuses(gateway, 11, "DELETE", "/api/users/me", headers=sender)

    assert first.headers["ratelimit-policy"] == '"deleteme";q=10;w=60, "client";q=1200;w=60'
    assert first.headers["ratelimit"].startswith('"deleteme";r=9;')
    assert [first.status_code, *statuses] == [UNSUPPORTED] * 10 + [TOO_MANY]
    assert elsewhere == [TOO_MANY]
    assert refused.headers["ratelimit-policy"] == first.headers["ratelimit-policy"]
    assert other == [UNSUPPORTED]
    assert anonymous == [UNAUTHENTICATED] * 10 + [TOO_MANY]


async def test_too_large_bodies_count(given: Given) -> None:
    """A body that is refused by its length alone is a request like any other."""
    request: dict[str, Any] = {"content": b"x" * 70_000, "headers": _somewhere()}
    async with serving_gateway(given()) as gateway:
        statuses = await _statuses(gateway, 6, "POST", "/api/auth/register", **request)

    assert statuses == [TOO_LARGE] * 5 + [TOO_MANY]


async def test_off_is_off(given: Given) -> None:
    """Without limits nothing is said of them."""
    async with serving_gateway(given(rate_limits="off", client_limit=1)) as gateway:
        answers = [await gateway.http.get("/api/health") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [OK] * 3
    assert "ratelimit" not in answers[0].headers
