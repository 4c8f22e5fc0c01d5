"""A service that reports overload is not called again by the same method for as long as it says."""

import pytest
from chassis.errors import Unavailable

from tests.gateway.stack import FakeUpstream, Gateway, bearer


def full(hold_seconds: float | None) -> Unavailable:
    """Returns the refusal of a service."""
    refusal = Unavailable(retry_after_seconds=3)
    refusal.hold_seconds = hold_seconds
    return refusal


async def rename(gateway: Gateway, token: str) -> tuple[int, str | None]:
    """Makes a call that is not cached; returns its status and when to come again."""
    answer = await gateway.http.put("/api/users/me", json={"full_name": "Ada L."}, headers=bearer(token))
    return answer.status_code, answer.headers.get("Retry-After")


async def test_calls_during_overload_are_refused_without_a_call(
    gateway: Gateway, upstream: FakeUpstream, token: str
) -> None:
    """With the same answer, until the moment is over; other methods are asked."""
    upstream.failure = full(60.0)
    assert [await rename(gateway, token) for _ in range(5)] == [(503, "3")] * 5
    assert upstream.calls == ["UpdateMe"]

    upstream.failure = None
    assert (await gateway.http.get("/api/users/me", headers=bearer(token))).status_code == 200
    # However long the service asked for, its other pods may have room.
    while (await rename(gateway, token))[0] == 503:
        pass
    assert upstream.calls.count("UpdateMe") == 2


@pytest.mark.parametrize("hold_seconds", [None, 0.0])
async def test_a_refusal_of_one_call_does_not_close_the_gate(
    gateway: Gateway, upstream: FakeUpstream, token: str, hold_seconds: float | None
) -> None:
    """What concerns one account, or a database that is away, is each caller's own to find out."""
    upstream.failure = full(hold_seconds)
    assert [await rename(gateway, token) for _ in range(3)] == [(503, "3")] * 3

    assert upstream.calls == ["UpdateMe"] * 3
