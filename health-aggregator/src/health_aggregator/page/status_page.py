"""The status page. It works without its script, which only refreshes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from health_aggregator.domain.board import CUT_OFF, Component
from health_aggregator.domain.history import Incident, Period, Resolution, availability
from health_aggregator.domain.state import State, Status
from health_aggregator.page import charts, glyphs
from health_aggregator.page.graph import graph
from health_aggregator.page.words import (
    DEGRADED,
    STATE_WORDS,
    STATUS_WORDS,
    clock_time,
    duration,
    machine_time,
    percent,
)

_INCIDENTS = 30
_ORDER = {
    State.DOWN: 0,
    State.RECOVERING: 1,
    State.FLAPPING: 2,
    State.STALE: 3,
    State.SUSPECT: 4,
    State.UNKNOWN: 5,
}


@dataclass(frozen=True, slots=True)
class PageContent:
    """The content of the page.

    Attributes:
        at: Time of the page.
        status: Status of the system.
        components: Every component.
        recent: Returns the latencies of a component's last checks.
        days: Sums by component and day.
        incidents: Newest first.
    """

    at: datetime
    status: Status
    components: Sequence[Component]
    recent: Callable[[str], Sequence[float | None]]
    days: Mapping[str, Mapping[datetime, Period]]
    incidents: Sequence[Incident]


def status_page(content: PageContent) -> str:
    """Returns the whole document."""
    title = STATUS_WORDS[content.status]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title} · Vestibule status</title>"
        '<link rel="stylesheet" href="/status/style.css">'
        '<link rel="icon" href="/status/badge/system.svg" type="image/svg+xml">'
        '<script src="/status/live.js" defer></script>'
        '<noscript><meta http-equiv="refresh" content="15"></noscript></head><body>'
        f"{glyphs.sprite()}"
        '<a class="skip" href="#components">Skip to the components</a>'
        '<header><p class="brand"><a href="/">Vestibule</a> <span>status</span></p>'
        '<p id="live" class="live" hidden><span class="dot" aria-hidden="true"></span>'
        '<span id="live-word"></span></p>'
        '</header><p id="announce" class="unseen" role="status" aria-live="polite"></p>'
        f"<main>{_headline(content)}{graph(content.components)}{_components(content)}{_incidents(content)}</main>"
        "<footer><p>Without a script this page reloads every 15 seconds. "
        '<a href="/status/metrics">Metrics</a>. For programs: '
        '<a href="/api/health">state as JSON</a>, <a href="/api/health/stream">changes as events</a>, '
        '<a href="/status/badge/system.svg">badge</a>.</p></footer></body></html>\n'
    )


def _headline(content: PageContent) -> str:
    trouble = [
        component for component in content.components if component.state in _ORDER or component.degraded
    ]
    roots = sorted(
        (component for component in trouble if component.caused_by is None),
        key=lambda component: (_ORDER.get(component.state, 9), component.name),
    )
    configured = [component for component in content.components if component.state is not State.DISABLED]
    if any(component.error == CUT_OFF for component in content.components):
        story = "health-aggregator cannot reach any component. The states below may be out of date."
    elif roots:
        story = f"{'; '.join(_sentence(component) for component in roots[:3])}."
        if len(roots) > 3:  # noqa: PLR2004
            story += f" And {len(roots) - 3} more."
    else:
        story = f"{len(configured)} of {len(configured)} components are up."
    tone = glyphs.STATUS_TONES[content.status]
    glyph = glyphs.glyph(glyphs.STATUS_GLYPHS[content.status], tone)
    return (
        f'<section class="headline tone-{tone}" data-status="{content.status.value}">'
        f'<h1 id="headline">{glyph}{STATUS_WORDS[content.status]}</h1><p class="story">{story}</p>'
        f'<p class="as-of">As of <time datetime="{machine_time(content.at)}">{clock_time(content.at)}</time>'
        "</p></section>"
    )


def _sentence(component: Component) -> str:
    if component.degraded and component.state in {State.UP, State.SUSPECT}:
        word = DEGRADED.lower()
    else:
        word = STATE_WORDS[component.state].lower()
    error = f" ({escape(component.error)})" if component.error else ""
    return f"<strong>{escape(component.name)}</strong> is {word}{error}"


def _components(content: PageContent) -> str:
    rows = "".join(_row(component, content) for component in content.components)
    return (
        '<section aria-labelledby="components"><h2 id="components" tabindex="-1">Components</h2>'
        f'<ul class="components">{rows}</ul>'
        '<p class="note">The line is the latency of the last 60 checks. The bars are the last 90 days, '
        "oldest first: a notch from above is downtime, a dot at the bottom a day without data.</p></section>"
    )


def _row(component: Component, content: PageContent) -> str:
    tone = glyphs.tone(component.state, degraded=component.degraded)
    degraded = component.degraded and tone == "warn"
    word = DEGRADED if degraded else STATE_WORDS[component.state]
    glyph = glyphs.glyph("warn" if degraded else glyphs.STATE_GLYPHS[component.state], tone)
    name = escape(component.name)
    head = (
        f"<h3>{name}{_critical(component)}</h3>"
        f'<p class="state tone-{tone}">{glyph}<span class="word">{word}</span></p>'
    )
    if component.state is State.DISABLED:
        return f'<li class="component" id="component-{name}" data-state="disabled">{head}</li>'
    days = content.days.get(component.name, {})
    today = Resolution.DAY.start_of(content.at)
    return (
        f'<li class="component" id="component-{name}" data-state="{component.state.value}">{head}'
        f'<p class="facts">{_facts(component, content.at)}</p>'
        f'<div class="charts"><div>{charts.sparkline(content.recent(component.name))}'
        f'<span class="figure">{_latency(component)}</span></div>'
        f'<div>{charts.day_bars(days, today)}<span class="figure">{_uptime(days, today)}</span>'
        "</div></div></li>"
    )


def _critical(component: Component) -> str:
    return ' <span class="critical">critical</span>' if component.critical else ""


def _facts(component: Component, at: datetime) -> str:
    since = f'<time datetime="{machine_time(component.since)}">{duration(at - component.since)}</time>'
    facts = [f"for {since}"]
    if component.error and component.state is not State.STALE:
        facts.append(escape(component.error))
    if component.state is State.STALE:
        facts.append("its last result is too old")
    if component.caused_by:
        cause = escape(component.caused_by)
        facts.append(f'because of <a href="#component-{cause}">{cause}</a>')
    if _raw_differs(component):
        facts.append(f"last check: {component.raw.value}")
    return " · ".join(facts)


def _raw_differs(component: Component) -> bool:
    counts_as_up = component.state in {State.UP, State.SUSPECT}
    return component.state is State.FLAPPING or counts_as_up != (component.raw is State.UP)


def _latency(component: Component) -> str:
    return (
        "not measured" if component.latency_seconds is None else f"{component.latency_seconds * 1000:.3g} ms"
    )


def _uptime(days: Mapping[datetime, Period], today: datetime) -> str:
    figures = []
    for length in (1, 7, 90):
        since = today - timedelta(days=length - 1)
        share = availability(period for day, period in days.items() if day >= since)
        if share is not None and (length == 1 or len(days) > 1):
            figures.append(f"{'today' if length == 1 else f'{length} d'} {percent(share)}")
    return " · ".join(figures) or "no history yet"


def _incidents(content: PageContent) -> str:
    shown = content.incidents[:_INCIDENTS]
    body = "".join(_incident(incident, content.at) for incident in shown)
    if not body:
        return (
            '<section aria-labelledby="incidents"><h2 id="incidents">Incidents</h2>'
            '<p class="note">None in the last 90 days.</p></section>'
        )
    return (
        '<section aria-labelledby="incidents"><h2 id="incidents">Incidents</h2>'
        f'<ol class="incidents">{body}</ol></section>'
    )


def _incident(incident: Incident, at: datetime) -> str:
    started, ended = incident.started_at, incident.ended_at
    glyph = glyphs.glyph(glyphs.STATE_GLYPHS[incident.worst], glyphs.tone(incident.worst))
    start = f'<time datetime="{machine_time(started)}">{clock_time(started)}</time>'
    if ended is None:
        span = f"since {start}, <strong>ongoing</strong> {duration(at - started)}"
    else:
        end = f'<time datetime="{machine_time(ended)}">{clock_time(ended)}</time>'
        span = f"{start} to {end}, {duration(ended - started)}"
    error = f" · {escape(incident.error)}" if incident.error else ""
    cause = f" · because of {escape(incident.caused_by)}" if incident.caused_by else ""
    return (
        f"<li>{glyph}<div><p><strong>{escape(incident.component)}</strong> "
        f'{STATE_WORDS[incident.worst].lower()}{error}{cause}</p><p class="span">{span}</p></div></li>'
    )
