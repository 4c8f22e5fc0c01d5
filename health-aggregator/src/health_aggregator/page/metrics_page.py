"""The metrics page: an overview for systems without Prometheus."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from health_aggregator.domain.service_metrics import WINDOW_SECONDS, ServiceMetrics
from health_aggregator.page import charts, glyphs
from health_aggregator.page.words import clock_time, machine_time, percent

_NOTHING = '<span class="none">no data</span>'
_FAILING_MAX = 0.0072
_READS_SECONDS_MAX = 0.25


@dataclass(frozen=True, slots=True)
class _Level:
    """A gauge that some services expose.

    Attributes:
        metric: Its name.
        words: Its description.
        shown: Formats its value.
        limit: Value at which an alert would fire.
        full: Name of the metric that is its maximum.
    """

    metric: str
    words: str
    shown: Callable[[float], str]
    limit: float
    full: str | None = None


def _seconds(value: float) -> str:
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def _count(value: float) -> str:
    return f"{value:.0f}"


_LEVELS = (
    _Level("outbox_oldest_pending_seconds", "Oldest event in the outbox", _seconds, 15),
    _Level("events_tail_silent_seconds", "Since the event stream was read to its end", _seconds, 5),
    _Level(
        "auth_hashing_jobs", "Passwords hashed or waiting", _count, float("inf"), full="auth_hashing_jobs_max"
    ),
    _Level("mails_pending", "Mails in the queue", _count, 100),
    _Level("postgres_pool_waiting", "Waiting for a connection to Postgres", _count, 1),
    _Level("gateway_breaker_open", "Upstreams refused by a breaker", _count, 1),
)


def metrics_page(services: Sequence[ServiceMetrics], at: datetime) -> str:
    """Returns the whole document.

    Args:
        services: The metrics of each service; empty before the first scrape.
        at: Time of the page.
    """
    body = (
        _traffic(services) + _waiting(services) + _processes(services)
        if services
        else '<p class="note">No metrics yet, or no addresses of services are configured.</p>'
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<title>Metrics · Vestibule status</title>"
        '<link rel="stylesheet" href="/status/style.css">'
        '<link rel="icon" href="/status/badge/system.svg" type="image/svg+xml">'
        '<script src="/status/live.js" defer></script>'
        '<noscript><meta http-equiv="refresh" content="15"></noscript></head><body data-seconds="5">'
        f"{glyphs.sprite()}"
        '<a class="skip" href="#traffic">Skip to the metrics</a>'
        '<header><p class="brand"><a href="/status">Vestibule</a> <span>metrics</span></p>'
        '<p id="live" class="live" hidden><span class="dot" aria-hidden="true"></span>'
        '<span id="live-word"></span></p></header>'
        '<main><h1 class="title">Service metrics</h1><p class="note">Rates of the last '
        f"{WINDOW_SECONDS:.0f} seconds, curves of the last 5 minutes, as of <time "
        f'datetime="{machine_time(at)}">{clock_time(at)}</time>.</p>{body}</main>'
        "<footer><p>Without a script this page reloads every 15 seconds. Prometheus can scrape more at each "
        'service\'s <code>/metrics</code>. <a href="/status">Status of the components</a>.</p></footer>'
        "</body></html>\n"
    )


def _traffic(services: Sequence[ServiceMetrics]) -> str:
    rows = []
    for each in services:
        known = [rate for rate in each.recent if rate is not None]
        spark = charts.sparkline(known, label=f"requests per second at the last {len(known)} scrapes")
        requests = _known(each.requests_per_second, lambda value: f"{value:.3g}")
        rows.append(
            (
                each.service,
                requests if each.requests_per_second is None else f"{requests}{spark}",
                _known(each.failing, percent, _FAILING_MAX),
                _known(each.p50_seconds, _seconds),
                _known(each.p99_seconds, _seconds, _READS_SECONDS_MAX),
                _known(each.hits, percent),
            )
        )
    heads = ("Service", "Requests per second", "Failing", "Median", "99th percentile", "Cache hits")
    return _table("traffic", "Requests", heads, rows)


def _waiting(services: Sequence[ServiceMetrics]) -> str:
    rows = []
    for level in _LEVELS:
        for each in services:
            if level.metric not in each.levels:
                continue
            value = each.levels[level.metric]
            full = each.levels.get(level.full) if level.full else None
            limit = level.limit if full is None else full
            shown = _known(value, level.shown, limit)
            rows.append((level.words, escape(each.service), shown + (f" of {full:.0f}" if full else "")))
    return _table("waiting", "What waits", ("What", "Where", "Now"), rows)


def _processes(services: Sequence[ServiceMetrics]) -> str:
    rows = [
        (
            each.service,
            _count(each.processes) if each.processes else _marked("none responds"),
            _known(each.cores, lambda value: f"{value:.2f}"),
            _known(each.memory_bytes, lambda value: f"{value / 1_000_000:.0f} MB"),
            _known(each.loop_p99_seconds, _seconds, _READS_SECONDS_MAX),
        )
        for each in services
    ]
    heads = ("Service", "Processes", "Cores used", "Memory", "Event loop delay, 99th percentile")
    return _table("processes", "Processes", heads, rows)


def _known(value: float | None, shown: Callable[[float], str], limit: float = float("inf")) -> str:
    if value is None:
        return _NOTHING
    return _marked(shown(value)) if value >= limit else shown(value)


def _marked(text: str) -> str:
    """Returns a high value, marked by a shape and a word as well as by colour."""
    glyph = glyphs.glyph("warn", "down")
    return f'<strong class="high tone-down">{glyph}{text}<span class="unseen"> (high)</span></strong>'


def _table(name: str, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(
            f'<td data-label="{label}">{cell}</td>' for label, cell in zip(heads[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}" tabindex="-1">{title}</h2>'
        f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>'
    )
