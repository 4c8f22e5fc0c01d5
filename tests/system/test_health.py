"""Health: of this gateway, of the whole system, and as a stream."""

import json
import threading
import time

import httpx
import pytest

from tests.system.client import TIME, Answer, Client
from tests.system.running_system import System

COMPONENTS = {
    "gateway",
    "auth-service",
    "user-service",
    "health-aggregator",
    "postgres",
    "redis",
    "qdrant",
    "nextcloud",
}

COMPONENT_FIELDS = {
    "name",
    "kind",
    "critical",
    "state",
    "latency_ms",
    "since",
    "error",
    "depends_on",
    "caused_by",
}


def test_liveness(client: Client) -> None:
    """`/health` says that the process serves."""
    body = client.get("/health").body

    assert {"status", "service", "version", "timestamp"} == set(body)
    assert (body["status"], body["service"]) == ("healthy", "gateway")
    assert TIME.fullmatch(body["timestamp"])


def test_readiness(client: Client) -> None:
    """`/ready` lists what the gateway still waits for: nothing, once it is ready."""
    answer = client.get("/ready")

    assert answer.status == 200
    assert answer.body["status"] == "ready"
    assert answer.body["checks"]


def test_metrics(client: Client) -> None:
    """`/metrics` is in Prometheus' format, and counts requests by route, not by path."""
    client.get("/api/nothing/at/all-123456")
    answer = client.get("/metrics")

    assert answer.status == 200
    assert answer.headers["content-type"].startswith(("text/plain", "application/openmetrics-text"))
    assert "# TYPE" in answer.text
    assert "all-123456" not in answer.text


def test_system(client: Client) -> None:
    """`/api/health` lists every component with its state; what is not configured is disabled."""
    answer = _settled(client)

    assert answer.outcome == (200, None)
    assert answer.data["status"] == "healthy", _troubled(answer)
    components = {component["name"]: component for component in answer.data["components"]}
    assert set(components) >= COMPONENTS
    for component in components.values():
        assert set(component) >= COMPONENT_FIELDS
        assert TIME.fullmatch(component["since"])
    assert {"disabled"} == {components[name]["state"] for name in ("qdrant", "nextcloud")}
    assert {"up"} == {components[name]["state"] for name in COMPONENTS - {"qdrant", "nextcloud"}}


def test_stream_starts_with_the_state(base_url: str) -> None:
    """The stream sends the whole state at once, as Server-Sent Events with ids."""
    with httpx.stream("GET", f"{base_url}/api/health/stream", timeout=10) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].partition(";")[0] == "text/event-stream"
        lines: list[str] = []
        for line in stream.iter_lines():
            if lines and not line:
                break
            if line and not line.startswith(":"):
                lines.append(line)
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)

    assert fields["event"] == "state"
    assert fields["id"]
    assert {"status", "components"} == set(json.loads(fields["data"]))


@pytest.mark.parametrize("path", ["/status", "/docs"])
def test_pages(client: Client, path: str) -> None:
    """The status pages are HTML."""
    answer = client.get(path)

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_upstream_that_is_down(client: Client, system: System) -> None:
    """Without user-service its calls are 503, the gateway stays ready, and the system is degraded."""
    token = client.join().access_token
    seen: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{client.url}/api/health/stream", timeout=20) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    seen.append(line)
                    listening.set()
                if len(seen) > 1 and any('"user-service"' in data and '"down"' in data for data in seen[1:]):
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    assert listening.wait(10)
    with system.without("user-service"):
        time.sleep(0.1)
        answer = client.get("/api/auth/me", token=token, headers={"Cache-Control": "no-cache"})
        listed = client.put("/api/users/me", token=token, json={"full_name": "Ada King"})

        assert answer.outcome in {(503, "UNAVAILABLE"), (200, None)}, "a cached read may be 5 s old"
        assert listed.outcome == (503, "UNAVAILABLE")
        assert "127.0.0.1" not in listed.text
        assert client.get("/ready").status == 200
        assert client.get("/health").status == 200
        listener.join(20)
        assert not listener.is_alive()
        state = client.get("/api/health")
        assert state.data["status"] == "unhealthy"
        assert state.status == 503
        assert state.code == "UNAVAILABLE"
    assert client.put("/api/users/me", token=token, json={"full_name": "Back again"}).status == 200
    assert _settled(client).status == 200


def _troubled(answer: Answer) -> list[str]:
    """Returns the names, states and errors of the components that are not fully up."""
    return [
        f"{each['name']}: {each['state']}, {each['error']}"
        for each in answer.data["components"]
        if each["state"] not in ("up", "disabled") or each["error"] is not None
    ]


def _settled(client: Client, seconds: float = 60) -> Answer:
    deadline = time.monotonic() + seconds
    while True:
        answer = client.get("/api/health")
        if answer.data["status"] == "healthy" or time.monotonic() > deadline:
            return answer
        time.sleep(0.2)
