"""Reads the few metrics that the metrics page shows from a process's Prometheus exposition.

A general parser takes a hundred times as long, for thousands of lines that are not used.
"""

import re
from collections.abc import Callable
from dataclasses import field

from chassis.dataclass import dataclass

from health_aggregator.domain.service_metrics import Reading

_LINE = re.compile(rb"^([a-z_]+)(?:\{(.*)\})? ([^ ]+)")
_BOUND = re.compile(rb'le="([^"]+)"')
_STREAMS = re.compile(rb'method="Stream|route="/api/health/stream"|route="/(?:health|ready|metrics)"')


@dataclass(frozen=True, slots=True)
class _Total:
    """A counter that is summed under another name; only series whose labels match are counted."""

    name: str
    labels: re.Pattern[bytes] = field(default=re.compile(b""))


_PROBED = rb'(?!.*route="/(?:health|ready|metrics)")'
_TOTALS: dict[bytes, tuple[_Total, ...]] = {
    b"http_server_requests_total": (
        _Total("requests", re.compile(_PROBED)),
        # `/api/health` responds with 503 when the system is unhealthy.
        _Total("failed", re.compile(_PROBED + rb'(?!.*route="/api/health")(?=.*status="5)')),
    ),
    b"grpc_server_handled_total": (
        _Total("requests"),
        _Total("failed", re.compile(rb'.*code="(?:INTERNAL|UNKNOWN|UNAVAILABLE|DEADLINE_EXCEEDED)"')),
    ),
    b"gateway_cache_lookups_total": (
        _Total("lookups"),
        _Total("hits", re.compile(rb'.*outcome="hit"')),
    ),
    b"process_cpu_seconds_total": (_Total("cpu_seconds"),),
}
_LEVELS: dict[bytes, Callable[[float, float], float]] = {
    b"auth_hashing_jobs": max,
    b"auth_hashing_jobs_max": max,
    b"events_tail_silent_seconds": max,
    b"gateway_breaker_open": lambda one, other: one + other,
    b"mails_pending": max,
    b"outbox_oldest_pending_seconds": max,
    b"postgres_pool_connections_max": max,
    b"postgres_pool_waiting": max,
    b"process_resident_memory_bytes": max,
}
_DURATIONS = frozenset(
    {b"http_server_request_duration_seconds_bucket", b"grpc_server_handling_seconds_bucket"}
)
_DELAYS = b"event_loop_delay_seconds_bucket"
_STARTED = b"process_start_time_seconds"

NAMES = tuple(name.decode() for name in (*_TOTALS, *_LEVELS, *_DURATIONS, _DELAYS, _STARTED))
"""What is read."""


def read_exposition(text: bytes, *, address: str, at: float) -> Reading:
    """Returns the reading of a process; metrics that are missing or malformed are left out.

    Args:
        text: In Prometheus' text format.
        address: The scraped address, at which several processes may respond in turn.
        at: Monotonic time in seconds.
    """
    totals: dict[str, float] = {}
    levels: dict[str, float] = {}
    durations: dict[float, float] = {}
    delays: dict[float, float] = {}
    process = address
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, labels = match[1], match[2] or b""
        try:
            if name in _TOTALS:
                for total in _TOTALS[name]:
                    counted = float(match[3]) if total.labels.match(labels) else 0.0
                    totals[total.name] = totals.get(total.name, 0.0) + counted
            elif name in _LEVELS:
                key, value = name.decode(), float(match[3])
                levels[key] = _LEVELS[name](levels[key], value) if key in levels else value
            elif name in _DURATIONS and _STREAMS.search(labels) is None:
                _add(durations, labels, float(match[3]))
            elif name == _DELAYS:
                _add(delays, labels, float(match[3]))
            elif name == _STARTED:
                process = f"{address} {float(match[3])}"
        except ValueError:
            continue
    return Reading(process, at, totals, levels, durations, delays)


def _add(buckets: dict[float, float], labels: bytes, count: float) -> None:
    bound = _BOUND.search(labels)
    if bound is not None:
        upper = float(bound[1])
        buckets[upper] = buckets.get(upper, 0.0) + count
