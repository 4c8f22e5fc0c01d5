"""The metrics page: an overview for systems without Prometheus."""

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from chassis.dataclass import dataclass

from health_aggregator.domain.service_metrics import WINDOW_SECONDS, ServiceMetrics
from health_aggregator.page import charts, glyphs
from health_aggregator.page.document import document
from health_aggregator.page.words import Words, time_element

_REFRESH_SECONDS = 5
_FAILING_MAX = 0.0072
_READS_SECONDS_MAX = 0.25


@dataclass(frozen=True, slots=True)
class _Level:
    """A gauge that some services expose.

    Attributes:
        metric: Its name, by which catalogs describe it (`level.…`).
        shown: Formats its value.
        limit: Value at which an alert would fire.
        full: Name of the metric that is its maximum.
    """

    metric: str
    shown: Callable[[Words, float], str]
    limit: float
    full: str | None = None


def _seconds(words: Words, value: float) -> str:
    return f"{words.milliseconds(value)} ms" if value < 1 else f"{words.number(f'{value:.3g}')} s"


def _count(words: Words, value: float) -> str:
    return words.number(f"{value:.0f}")


def _rate(words: Words, value: float) -> str:
    return words.number(f"{value:.3g}")


_LEVELS = (
    _Level("outbox_oldest_pending_seconds", _seconds, 15),
    _Level("events_tail_silent_seconds", _seconds, 5),
    _Level("auth_hashing_jobs", _count, float("inf"), full="auth_hashing_jobs_max"),
    _Level("mails_pending", _count, 100),
    _Level("postgres_pool_waiting", _count, 1),
    _Level("gateway_breaker_open", _count, 1),
)


def metrics_page(words: Words, services: Sequence[ServiceMetrics], at: datetime) -> str:
    """Returns the whole document.

    Args:
        words: The language.
        services: The metrics of each service; empty before the first scrape.
        at: Time of the page.
    """
    body = (
        _traffic(words, services) + _waiting(words, services) + _processes(words, services)
        if services
        else f'<p class="note">{words("metrics.none")}</p>'
    )
    note = words("metrics.note", seconds=f"{WINDOW_SECONDS:.0f}", time=time_element(at))
    return document(
        words,
        "metrics",
        f'<h1 class="title">{words("metrics.heading")}</h1><p class="note">{note}</p>{body}',
        f"{words('metrics.prometheus', path='<code>/metrics</code>')} "
        f'<a href="/status">{words("metrics.to_status")}</a>.',
        title=words("metrics.title"),
        skip_to="traffic",
        home="/status",
        seconds=_REFRESH_SECONDS,
    )


def _traffic(words: Words, services: Sequence[ServiceMetrics]) -> str:
    rows = []
    for each in services:
        known = [rate for rate in each.recent if rate is not None]
        spark = charts.sparkline(words, known, label=words("metrics.spark", n=len(known)))
        requests = _known(words, each.requests_per_second, _rate)
        rows.append(
            (
                each.service,
                requests if each.requests_per_second is None else f"{requests}{spark}",
                _known(words, each.failing, Words.percent, _FAILING_MAX),
                _known(words, each.p50_seconds, _seconds),
                _known(words, each.p99_seconds, _seconds, _READS_SECONDS_MAX),
                _known(words, each.hits, Words.percent),
            )
        )
    return _table(words, "traffic", ("service", "requests", "failing", "median", "p99", "hits"), rows)


def _waiting(words: Words, services: Sequence[ServiceMetrics]) -> str:
    rows = []
    for level in _LEVELS:
        for each in services:
            if level.metric not in each.levels:
                continue
            value = each.levels[level.metric]
            full = each.levels.get(level.full) if level.full else None
            shown = _known(words, value, level.shown, level.limit if full is None else full)
            if full is not None:
                shown = words("metrics.of", n=shown, full=f"{full:.0f}")
            rows.append((words(f"level.{level.metric}"), escape(each.service), shown))
    return _table(words, "waiting", ("what", "where", "now"), rows)


def _processes(words: Words, services: Sequence[ServiceMetrics]) -> str:
    rows = [
        (
            each.service,
            _count(words, each.processes)
            if each.processes
            else _marked(words, words("metrics.none_responds")),
            _known(words, each.cores, lambda words, value: words.number(f"{value:.2f}")),
            _known(words, each.memory_bytes, lambda _, value: f"{value / 1_000_000:.0f} MB"),
            _known(words, each.loop_p99_seconds, _seconds, _READS_SECONDS_MAX),
        )
        for each in services
    ]
    return _table(words, "processes", ("service", "processes", "cores", "memory", "loop"), rows)


def _known(
    words: Words, value: float | None, shown: Callable[[Words, float], str], limit: float = float("inf")
) -> str:
    if value is None:
        return f'<span class="none">{words("metrics.no_data")}</span>'
    return _marked(words, shown(words, value)) if value >= limit else shown(words, value)


def _marked(words: Words, text: str) -> str:
    """Returns a high value, marked by a shape and a word as well as by colour."""
    glyph = glyphs.glyph("warn", "down")
    high = f'<span class="unseen"> {words("metrics.high")}</span>'
    return f'<strong class="high tone-down">{glyph}{text}{high}</strong>'


def _table(words: Words, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = [words(f"metrics.{column}") for column in columns]
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
        f'<section aria-labelledby="{name}"><h2 id="{name}" tabindex="-1">{words(f"metrics.{name}")}</h2>'
        f'<table class="figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>'
    )
