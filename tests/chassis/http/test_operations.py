"""The operators' port, over HTTP."""

from collections.abc import AsyncIterator

import httpx
import pytest
from chassis.http.operations import open_operations
from chassis.readiness import Readiness

from chassis import metrics


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def client(readiness: Readiness) -> AsyncIterator[httpx.AsyncClient]:
    metrics.set_build_info(service="stock-service", version="1.2.3", revision="abc")
    async with (
        open_operations(
            readiness, service="stock-service", version="1.2.3", host="127.0.0.1", port=0
        ) as server,
        metrics.sampling_event_loop(interval_seconds=0.01),
        httpx.AsyncClient(base_url=f"http://{server.address}") as opened,
    ):
        yield opened


async def test_health_says_who_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("timestamp").endswith("Z")
    assert body == {"status": "healthy", "service": "stock-service", "version": "1.2.3"}


async def test_ready_reads_the_snapshot(client: httpx.AsyncClient, readiness: Readiness) -> None:
    assert (await client.get("/ready")).json() == {"status": "ready", "checks": {}}
    readiness.expect("keys")
    fresh = True
    readiness.ask("revocations", lambda: fresh)
    answer = await client.get("/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not_ready", "checks": {"keys": "starting", "revocations": "ok"}}
    readiness.set("keys", ok=True)
    assert (await client.get("/ready?verbose")).status_code == 200
    fresh = False
    assert (await client.get("/ready")).json()["checks"]["revocations"] == "failing"


async def test_metrics_in_both_formats(client: httpx.AsyncClient) -> None:
    text = await client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    assert 'vestibule_build_info{python="' in text.text
    assert 'revision="abc",service="stock-service",version="1.2.3"} 1.0' in text.text
    assert "process_resident_memory_bytes" in text.text
    assert "event_loop_delay_seconds_bucket" in text.text
    assert "_created" not in text.text
    wanted = {"accept": "application/openmetrics-text; version=1.0.0"}
    openmetrics = await client.get("/metrics", headers=wanted)
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


async def test_only_metrics_that_the_query_names(client: httpx.AsyncClient) -> None:
    names = ["vestibule_build_info", "event_loop_delay_seconds_bucket", "none"]
    lines = (await client.get("/metrics", params={"name[]": names})).text.splitlines()
    samples = {line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")}
    assert samples == {"vestibule_build_info", "event_loop_delay_seconds_bucket"}


async def test_other_paths_methods_and_heads(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).status_code == 404
    refused = await client.post("/health")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    head = await client.head("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert "server" not in head.headers
