"""A gateway that stops continues to serve, and moves its clients to others."""

import asyncio

from chassis.lifecycle import Stop

from tests.gateway.stack import Gateway


async def test_answers_of_a_gateway_that_leaves_close_their_connections(gateway: Gateway) -> None:
    """Until it stops, responses close the connection, so that clients reconnect to another pod."""
    assert "connection" not in (await gateway.http.get("/health")).headers
    gateway.lifecycle.stop()
    leaving = asyncio.ensure_future(gateway.lifecycle.drain(Stop(1.0, 0, 1)))
    for _ in range(5):
        answer = await gateway.http.get("/api/health")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    await leaving
