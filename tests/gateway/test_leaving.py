"""A gateway that was told to stop serves on, and sends its clients to others."""

import asyncio

from chassis.lifecycle import Stop

from tests.gateway.house import Edge


async def test_answers_of_a_gateway_that_leaves_close_their_connections(edge: Edge) -> None:
    """While it serves on, each client is told to come back by a new connection, which finds another pod."""
    assert "connection" not in (await edge.http.get("/health")).headers
    edge.lifecycle.stop()
    leaving = asyncio.ensure_future(edge.lifecycle.drain(Stop(1.0, 0, 1)))
    for _ in range(5):
        answer = await edge.http.get("/api/health")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    await leaving
