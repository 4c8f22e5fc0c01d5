"""Rate limits: which clients are limited, for how long, and that others are not."""

import itertools
import re
from collections.abc import Iterator

import pytest

from tests.system.client import PASSWORD, Client, new_email
from tests.system.running_system import System

_addresses = itertools.count(1)


@pytest.fixture(scope="module", name="limited_url")
def _limited_url(system: System) -> Iterator[str]:
    """A gateway with limits, behind a proxy on this machine."""
    with system.gateway(GATEWAY_RATE_LIMITS="on", GATEWAY_TRUSTED_PROXIES="127.0.0.0/8") as url:
        yield url


@pytest.fixture(name="limited")
def _limited(limited_url: str) -> Iterator[Client]:
    """A client with an address of its own, as the proxy reports it."""
    with Client(limited_url, {"x-forwarded-for": f"198.51.100.{next(_addresses)}"}) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "requests", "window"),
    [
        ("/api/auth/register", 5, 3600),
        ("/api/auth/login", 10, 60),
        ("/api/auth/refresh", 20, 60),
        ("/api/auth/password/forgot", 5, 3600),
        ("/api/auth/password/reset", 5, 3600),
    ],
)
def test_limit(limited: Client, path: str, requests: int, window: int) -> None:
    """As many requests as the contract says pass, with the limit in their headers, and no more."""
    answers = [limited.post(path, json={}) for _ in range(requests + 1)]

    assert [(422, "VALIDATION_ERROR")] * requests == [answer.outcome for answer in answers[:-1]]
    refused = answers[-1]
    assert refused.outcome == (429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["retry-after"]) <= window
    for left, answer in zip([*reversed(range(requests)), 0], answers, strict=True):
        assert re.search(rf"\bq={requests}\b.*\bw={window}\b", answer.headers["ratelimit-policy"])
        assert re.search(rf"\br={left}\b", answer.headers["ratelimit"])


def test_clients_are_apart(limited_url: str) -> None:
    """One client's requests do not limit another's; the right-most untrusted address counts."""
    hasty, patient = (f"198.51.100.{next(_addresses)}" for _ in range(2))

    def try_login(forwarded: str) -> str | None:
        with Client(limited_url, {"x-forwarded-for": forwarded}) as client:
            return client.post("/api/auth/login", json={}).code

    assert try_login(hasty) == "VALIDATION_ERROR"
    codes = [try_login(f"203.0.113.{number}, {hasty}") for number in range(10)]
    assert codes == ["VALIDATION_ERROR"] * 9 + ["RATE_LIMITED"]
    assert try_login(f"{hasty}, {patient}") == "VALIDATION_ERROR"
    assert try_login(f"{hasty}, 127.0.0.1") == "RATE_LIMITED"


def test_forged_address_does_not_help(system: System) -> None:
    """Without trusted proxies X-Forwarded-For is ignored: it neither avoids a limit nor limits others."""
    with system.gateway(GATEWAY_RATE_LIMITS="on") as url:
        codes = []
        for number in range(11):
            with Client(
                url, {"x-forwarded-for": f"192.0.2.{number}", "forwarded": f"for=192.0.2.{number}"}
            ) as client:
                codes.append(client.post("/api/auth/login", json={}).code)

    assert codes[-1] == "RATE_LIMITED"


def test_other_routes_go_on(limited: Client) -> None:
    """A client that used up one limit is served on other routes."""
    for _ in range(11):
        limited.post("/api/auth/login", json={})

    assert limited.post("/api/auth/refresh", json={"refresh_token": "x"}).outcome == (401, "TOKEN_INVALID")
    assert limited.get("/api/health").status in {200, 503}


def test_refused_requests_do_nothing(limited: Client, client: Client) -> None:
    """A request over the limit is not executed."""
    for _ in range(5):
        limited.post("/api/auth/register", json={})
    email = new_email()
    refused = limited.post(
        "/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Ada"}
    )

    assert refused.outcome == (429, "RATE_LIMITED")
    client.register(email=email)
