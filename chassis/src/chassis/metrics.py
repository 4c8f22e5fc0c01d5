"""Metrics in Prometheus' formats.

Modules declare their metrics with `prometheus_client` at import, in its default registry,
which already describes the process and the interpreter. Names end in their unit.
"""

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import process_time
from urllib.parse import parse_qs

import prometheus_client
from prometheus_client import Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from chassis import ticks

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""In seconds, for durations that a caller waits for."""

_IDLE_SHARE = 0.02
"""Of a core: a process that takes less is idle. One without any request takes 0.003."""

_BUILD = Gauge(
    "vestibule_build_info",
    "The program's build; always 1.",
    ["service", "version", "revision", "python"],
)
_LOOP_DELAY = Histogram(
    "event_loop_delay_seconds",
    "How late the event loop ran a timer: the delay that requests in this process experience.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)


def set_build_info(*, service: str, version: str, revision: str) -> None:
    """Sets the labels of `vestibule_build_info`: service, version and commit."""
    _BUILD.labels(service, version, revision, platform.python_version()).set(1)


def exposition(accept: str, query: str) -> tuple[bytes, str]:
    """Returns metrics and their content type, as OpenMetrics when `accept` asks for it.

    Only those with a `name[]` in the query, if it has any: writing all of them takes auth-service 10 ms.
    """
    encoder, content_type = choose_encoder(accept)
    names = parse_qs(query).get("name[]")
    registry = prometheus_client.REGISTRY
    return encoder(registry.restricted_registry(names) if names else registry), content_type


@asynccontextmanager
async def sampling_event_loop(*, interval_seconds: float = 1.0) -> AsyncIterator[None]:
    """Measures the event loop's delay during the block, every fourth time while the process is idle."""
    task = asyncio.create_task(_sample(interval_seconds), name="event-loop-delay")
    try:
        yield
    finally:
        task.cancel()


async def _sample(interval_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    is_idle = False
    while True:
        pause_seconds = ticks.about(interval_seconds * 4 if is_idle else interval_seconds)
        due, taken_before = loop.time() + pause_seconds, process_time()
        await asyncio.sleep(pause_seconds)
        _LOOP_DELAY.observe(max(0.0, loop.time() - due))
        is_idle = process_time() - taken_before < _IDLE_SHARE * pause_seconds
