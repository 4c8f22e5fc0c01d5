"""A service that is full is not asked again at once, by this method; all others are none the wiser."""

import pytest
from chassis.errors import Unavailable

from tests.gateway.stack import Behind, Edge, bearer


def full(hold_seconds: float | None) -> Unavailable:
    """Returns the refusal of a service."""
    refusal = Unavailable(retry_after_seconds=3)
    refusal.hold_seconds = hold_seconds
    return refusal


async def rename(edge: Edge, token: str) -> tuple[int, str | None]:
    """Makes a call that is not cached; returns its status and when to come again."""
    answer = await edge.http.put("/api/users/me", json={"full_name": "Ada L."}, headers=bearer(token))
    return answer.status_code, answer.headers.get("Retry-After")


async def test_calls_during_overload_are_refused_without_a_call(
    edge: Edge, behind: Behind, token: str
) -> None:
    """With the same answer, until the moment is over; other methods are asked."""
    behind.failure = full(60.0)
    assert [await rename(edge, token) for _ in range(5)] == [(503, "3")] * 5
    assert behind.calls == ["UpdateMe"]

    behind.failure = None
    assert (await edge.http.get("/api/users/me", headers=bearer(token))).status_code == 200
    # However long the service asked for, its other pods may have room.
    while (await rename(edge, token))[0] == 503:
        pass
    assert behind.calls.count("UpdateMe") == 2


@pytest.mark.parametrize("hold_seconds", [None, 0.0])
async def test_a_refusal_of_one_call_does_not_close_the_gate(
    edge: Edge, behind: Behind, token: str, hold_seconds: float | None
) -> None:
    """What concerns one account, or a database that is away, is each caller's own to find out."""
    behind.failure = full(hold_seconds)
    assert [await rename(edge, token) for _ in range(3)] == [(503, "3")] * 3

    assert behind.calls == ["UpdateMe"] * 3
