"""Streams in traces: one span per stream and process, with counts instead of a span per message."""

import time

import httpx

from tests.collector import Collector, Span
from tests.system.client import Client
from tests.system.test_tracing import new_traceparent

STREAM = "vestibule.health.v1.HealthService/StreamHealth"


def test_one_span_per_stream(collector: Collector, client: Client) -> None:
    """At the gateway, for its call, and at the service: with the number of messages and why it ended."""
    traceparent = new_traceparent()
    with httpx.stream(
        "GET", f"{client.url}/api/health/stream", headers={"traceparent": traceparent}, timeout=30
    ) as response:
        lines = response.iter_lines()
        while not next(lines).startswith("event: state"):
            pass
        time.sleep(1)
    root = collector.tree(traceparent[3:35], f"health-aggregator: {STREAM}")
    spans = [branch.span for branch in root.walk() if "stream" in branch.label.lower()]
    served, called, answered = spans

    assert [each.kind for each in spans] == ["SERVER", "CLIENT", "SERVER"]
    assert served.name == "GET /api/health/stream"
    assert served.attributes["vestibule.stream.end"] == "client_gone"
    sent = served.attributes["vestibule.stream.sent"]
    assert sent >= 1
    assert _seconds(served) >= 1
    assert not any(each.is_error for each in spans)
    for each in (called, answered):
        assert sent in each.attributes.values(), each.attributes


def _seconds(span: Span) -> float:
    return (span.ended_ns - span.started_ns) / 1e9
