"""Metrics of the services: rates, shares and quantiles, computed from successive readings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Protocol

from chassis.dataclass import dataclass

WINDOW_SECONDS = 60.0
"""Rates are those of the last minute."""

Buckets = Mapping[float, float]
"""Number of observations up to each upper bound, in seconds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one process at one time.

    Attributes:
        process: Identifies the process.
        at: Monotonic time in seconds.
        totals: Counters: `requests`, `failed`, `hits`, `lookups`, `cpu_seconds`.
        levels: Gauges, by the metric's name.
        durations: Durations of responses, streams excluded.
        delays: Delays of the event loop.
    """

    process: str
    at: float
    totals: Mapping[str, float]
    levels: Mapping[str, float]
    durations: Buckets = field(default_factory=dict)
    delays: Buckets = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceMetrics:
    """What is displayed of a service; None for what is not known, such as a share of nothing.

    Attributes:
        service: Its name.
        processes: Number of its processes that responded to the last scrape.
        requests_per_second: Requests or calls handled.
        failing: Share of them that failed by the service's fault.
        p50_seconds: Median duration.
        p99_seconds: 99th percentile of durations.
        loop_p99_seconds: 99th percentile of the event loop's delay.
        cores: CPU cores used by all of its processes.
        memory_bytes: Memory of all of its processes.
        hits: Share of cache lookups that were hits.
        levels: Gauges, the worst of its processes, by the metric's name.
        recent: Requests per second at the last scrapes, oldest first.
    """

    service: str
    processes: int
    requests_per_second: float | None = None
    failing: float | None = None
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    loop_p99_seconds: float | None = None
    cores: float | None = None
    memory_bytes: float | None = None
    hits: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    recent: tuple[float | None, ...] = ()


class MetricsSource(Protocol):
    """The processes that expose metrics."""

    async def __call__(self) -> Mapping[str, Sequence[Reading]]:
        """Scrapes each process of each service once; processes that do not respond are left out."""
        ...


def service_metrics(
    service: str, present: Sequence[Reading], past: Iterable[Sequence[Reading]], now: float
) -> ServiceMetrics:
    """Computes the metrics of a service.

    Args:
        service: Its name.
        present: The last reading of each process that responded.
        past: All readings of each process, oldest first.
        now: Monotonic time in seconds.
    """
    spans = [span for readings in past if (span := _span(readings, now)) is not None]
    requests, lookups = _rate(spans, "requests"), _rate(spans, "lookups")
    durations = _grown([(first.durations, last.durations) for first, last in spans])
    names = {name for reading in present for name in reading.levels}
    memory = "process_resident_memory_bytes"
    return ServiceMetrics(
        service=service,
        processes=len(present),
        requests_per_second=requests,
        failing=_share(_rate(spans, "failed"), requests),
        p50_seconds=quantile(durations, 0.5),
        p99_seconds=quantile(durations, 0.99),
        loop_p99_seconds=quantile(_grown([(first.delays, last.delays) for first, last in spans]), 0.99),
        cores=_rate(spans, "cpu_seconds"),
        memory_bytes=sum(each.levels.get(memory, 0.0) for each in present) if present else None,
        hits=_share(_rate(spans, "hits"), lookups),
        levels={name: max(each.levels.get(name, 0.0) for each in present) for name in names},
    )


def quantile(buckets: Buckets, share: float) -> float | None:
    """Returns the quantile of a histogram; None without observations.

    Like Prometheus, it interpolates between two bounds; above the last finite bound it returns that.
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    rank = share * buckets[bounds[-1]]
    for low, high in pairwise([0.0, *bounds]):
        below = buckets.get(low, 0.0) if low else 0.0
        if buckets[high] >= rank:
            if high == float("inf"):
                return low
            inside = buckets[high] - below
            return low + (high - low) * ((rank - below) / inside if inside else 1.0)
    return bounds[-1]


def _span(readings: Sequence[Reading], now: float) -> tuple[Reading, Reading] | None:
    """Returns the first and the last reading within the window; None when there are fewer than two."""
    within = [reading for reading in readings if now - reading.at <= WINDOW_SECONDS]
    return (within[0], within[-1]) if len(within) > 1 and within[-1].at > within[0].at else None


def _rate(spans: Sequence[tuple[Reading, Reading]], name: str) -> float | None:
    known = [(first, last) for first, last in spans if name in last.totals]
    if not known:
        return None
    return sum(
        max(0.0, last.totals[name] - first.totals.get(name, 0.0)) / (last.at - first.at)
        for first, last in known
    )


def _grown(pairs: Iterable[tuple[Buckets, Buckets]]) -> Buckets:
    grown: dict[float, float] = {}
    for first, last in pairs:
        for bound, count in last.items():
            grown[bound] = grown.get(bound, 0.0) + max(0.0, count - first.get(bound, 0.0))
    return grown


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
