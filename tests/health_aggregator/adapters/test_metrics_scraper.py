"""Scraping metrics over HTTP, also from servers that fail or send nonsense."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from chassis.http.operations import open_operations
from chassis.readiness import Readiness
from devstack.ports import free_port
from health_aggregator.adapters.exposition import read_exposition
from health_aggregator.adapters.metrics_scraper import MetricsScraper
from health_aggregator.usecases.service_metrics import RECENT_SCRAPES, CollectMetrics

EXPOSITION = b"""# HELP http_server_requests_total Requests answered.
http_server_requests_total{method="GET",route="/ready",status="503"} 7.0
http_server_requests_total{method="GET",route="/api/health",status="503"} 5.0
http_server_requests_total{method="GET",route="/api/users/me",status="200"} 30.0
http_server_requests_total{method="GET",route="/api/users/me",status="503"} 2.0
http_server_request_duration_seconds_bucket{le="0.1",method="GET",route="/api/users/me"} 20.0
http_server_request_duration_seconds_bucket{le="+Inf",method="GET",route="/api/users/me"} 32.0
http_server_request_duration_seconds_bucket{le="+Inf",method="GET",route="/api/health/stream"} 9.0
gateway_breaker_open{upstream="a"} 1.0
gateway_breaker_open{upstream="b"} 1.0
gateway_cache_lookups_total{outcome="hit"} 6.0
gateway_cache_lookups_total{outcome="miss"} 2.0
auth_hashing_jobs not-a-number
process_start_time_seconds 1.7e+09
"""


def test_reads_the_displayed_metrics() -> None:
    """Probes and streams do not count, nor does the 503 of an unhealthy system; nonsense is ignored."""
    reading = read_exposition(EXPOSITION, address="10.0.0.1:8000", at=3.0)

    assert reading.process == "10.0.0.1:8000 1700000000.0"
    assert reading.totals == {"requests": 37.0, "failed": 2.0, "hits": 6.0, "lookups": 8.0}
    assert reading.durations == {0.1: 20.0, float("inf"): 32.0}
    assert reading.levels == {"gateway_breaker_open": 2.0}


@asynccontextmanager
async def serving(answer: Callable[[asyncio.StreamWriter], None]) -> AsyncIterator[str]:
    """Runs a server with the given response; yields its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_collects_metrics_of_a_real_service() -> None:
    """Every address of a name is scraped; rates are known after the second scrape."""
    port = free_port()
    async with open_operations(Readiness(), service="it", version="1", host="127.0.0.1", port=port):
        kept = CollectMetrics(MetricsScraper(lambda: {"it": [f"localhost:{port}"]}))
        await kept.scrape()
        first = kept.present[0]
        await kept.scrape()
        second = kept.present[0]

    assert (first.processes, first.cores) == (1, None)
    assert second.cores is not None
    assert (second.memory_bytes or 0) > 1_000_000
    assert kept.scrapes == 2


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 500 No\r\n\r\n", b"nonsense\r\n\r\n"])
async def test_failing_processes_are_left_out(answer: bytes) -> None:
    """A closed port, an error, nonsense: no reading, and no exception."""
    async with serving(lambda writer: writer.write(answer)) as address:
        scraper = MetricsScraper(lambda: {"it": [address, f"127.0.0.1:{free_port()}", "no.such.invalid:1"]})

        assert await scraper() == {"it": []}


async def test_memory_is_bounded() -> None:
    """Also when each scrape reaches another process, as behind a load balancer."""
    scrapes = 0

    def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal scrapes
        scrapes += 1
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + f"process_start_time_seconds {scrapes}\n".encode())

    async with serving(answer) as address:
        kept = CollectMetrics(MetricsScraper(lambda: {"it": [address]}))
        for _ in range(80):
            await kept.scrape()

    assert len(kept._readings["it"]) <= 64
    assert len(kept.present[0].recent) == RECENT_SCRAPES
