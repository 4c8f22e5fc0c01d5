"""The status page. It works without its script, which only refreshes it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape

from chassis.dataclass import dataclass

from health_aggregator.domain.board import ISOLATED, Component
from health_aggregator.domain.history import Incident, Period, Resolution, availability
from health_aggregator.domain.state import State, Status
from health_aggregator.page import charts, glyphs
from health_aggregator.page.document import document
from health_aggregator.page.graph import graph
from health_aggregator.page.reports import report
from health_aggregator.page.words import Words, duration, time_element

_INCIDENTS = 30
_CAUSES = 3
"""How many causes the headline names."""
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


def status_page(words: Words, content: PageContent) -> str:
    """Returns the whole document."""
    links = words(
        "status.for_programs",
        state=f'<a href="/api/health">{words("status.state_as_json")}</a>',
        changes=f'<a href="/api/health/stream">{words("status.changes_as_events")}</a>',
        badge=f'<a href="/status/badge/system.svg">{words("status.badge")}</a>',
    )
    return document(
        words,
        "status",
        _headline(words, content)
        + graph(words, content.components)
        + _components(words, content)
        + _incidents(words, content),
        f'<a href="/status/metrics">{words("status.metrics")}</a>. {links}',
        title=words("status.title", headline=words(f"status.{content.status.value}")),
        skip_to="components",
    )


def _headline(words: Words, content: PageContent) -> str:
    tone = glyphs.STATUS_TONES[content.status]
    glyph = glyphs.glyph(glyphs.STATUS_GLYPHS[content.status], tone)
    as_of = words("status.as_of", time=time_element(content.at))
    return (
        f'<section class="headline tone-{tone}" data-status="{content.status.value}">'
        f'<h1 id="headline">{glyph}{words(f"status.{content.status.value}")}</h1>'
        f'<p class="story">{_story(words, content)}</p><p class="as-of">{as_of}</p></section>'
    )


def _story(words: Words, content: PageContent) -> str:
    """Returns what is wrong, the causes first."""
    if any(component.error == ISOLATED for component in content.components):
        return words("status.cut_off")
    roots = sorted(
        (
            component
            for component in content.components
            if (component.state in _ORDER or component.degraded) and component.caused_by is None
        ),
        key=lambda component: (_ORDER.get(component.state, 9), component.name),
    )
    if not roots:
        configured = [each for each in content.components if each.state is not State.DISABLED]
        return words("status.all_up", n=len(configured))
    story = f"{'; '.join(_sentence(words, component) for component in roots[:_CAUSES])}."
    return story if len(roots) <= _CAUSES else f"{story} {words('status.more', n=len(roots) - _CAUSES)}"


def _sentence(words: Words, component: Component) -> str:
    degraded = component.degraded and component.state in {State.UP, State.SUSPECT}
    predicate = words("is.degraded" if degraded else f"is.{component.state.value}")
    error = f" ({report(words, component.error)})" if component.error else ""
    return f"<strong>{escape(component.name)}</strong> {predicate}{error}"


def _components(words: Words, content: PageContent) -> str:
    rows = "".join(_row(words, component, content) for component in content.components)
    return (
        '<section aria-labelledby="components">'
        f'<h2 id="components" tabindex="-1">{words("components.title")}</h2>'
        f'<ul class="components">{rows}</ul><p class="note">{words("components.note")}</p></section>'
    )


def _row(words: Words, component: Component, content: PageContent) -> str:
    tone = glyphs.tone(component.state, degraded=component.degraded)
    degraded = component.degraded and tone == "warn"
    word = words("state.degraded" if degraded else f"state.{component.state.value}")
    glyph = glyphs.glyph("warn" if degraded else glyphs.STATE_GLYPHS[component.state], tone)
    name = escape(component.name)
    critical = f' <span class="critical">{words("components.critical")}</span>' if component.critical else ""
    head = (
        f'<h3>{name}{critical}</h3><p class="state tone-{tone}">{glyph}<span class="word">{word}</span></p>'
    )
    if component.state is State.DISABLED:
        return f'<li class="component" id="component-{name}" data-state="disabled">{head}</li>'
    days = content.days.get(component.name, {})
    today = Resolution.DAY.start_of(content.at)
    return (
        f'<li class="component" id="component-{name}" data-state="{component.state.value}">{head}'
        f'<p class="facts">{_facts(words, component, content.at)}</p>'
        f'<div class="charts"><div>{charts.sparkline(words, content.recent(component.name))}'
        f'<span class="figure">{_latency(words, component)}</span></div>'
        f"<div>{charts.day_bars(words, days, today)}"
        f'<span class="figure">{_uptime(words, days, today)}</span></div></div></li>'
    )


def _facts(words: Words, component: Component, at: datetime) -> str:
    facts = [words("components.for", duration=time_element(component.since, duration(at - component.since)))]
    if component.error and component.state is not State.STALE:
        facts.append(report(words, component.error))
    if component.state is State.STALE:
        facts.append(words("components.too_old"))
    if component.caused_by:
        cause = escape(component.caused_by)
        facts.append(words("components.because_of", cause=f'<a href="#component-{cause}">{cause}</a>'))
    if _raw_differs(component):
        facts.append(words("components.last_check", state=words(f"state.{component.raw.value}")))
    return " · ".join(facts)


def _raw_differs(component: Component) -> bool:
    counts_as_up = component.state in {State.UP, State.SUSPECT}
    return component.state is State.FLAPPING or counts_as_up != (component.raw is State.UP)


def _latency(words: Words, component: Component) -> str:
    if component.latency_seconds is None:
        return words("components.not_measured")
    return f"{words.milliseconds(component.latency_seconds)} ms"


def _uptime(words: Words, days: Mapping[datetime, Period], today: datetime) -> str:
    figures = []
    for length in (1, 7, 90):
        since = today - timedelta(days=length - 1)
        share = availability(period for day, period in days.items() if day >= since)
        if share is not None and (length == 1 or len(days) > 1):
            name = "components.today" if length == 1 else "components.days"
            figures.append(words(name, n=length, share=words.percent(share)))
    return " · ".join(figures) or words("charts.no_history")


def _incidents(words: Words, content: PageContent) -> str:
    shown = content.incidents[:_INCIDENTS]
    body = "".join(_incident(words, incident, content.at) for incident in shown)
    listed = (
        f'<ol class="incidents">{body}</ol>' if body else f'<p class="note">{words("incidents.none")}</p>'
    )
    return (
        f'<section aria-labelledby="incidents"><h2 id="incidents">{words("incidents.title")}</h2>'
        f"{listed}</section>"
    )


def _incident(words: Words, incident: Incident, at: datetime) -> str:
    started, ended = incident.started_at, incident.ended_at
    glyph = glyphs.glyph(glyphs.STATE_GLYPHS[incident.worst], glyphs.tone(incident.worst))
    start = time_element(started)
    if ended is None:
        ongoing = f"<strong>{words('incidents.ongoing_word')}</strong>"
        span = words("incidents.ongoing", start=start, ongoing=ongoing, duration=duration(at - started))
    else:
        end = time_element(ended)
        span = words("incidents.ended", start=start, end=end, duration=duration(ended - started))
    facts = [f"<strong>{escape(incident.component)}</strong>", words(f"state.{incident.worst.value}")]
    if incident.error:
        facts.append(report(words, incident.error))
    if incident.caused_by:
        facts.append(words("components.because_of", cause=escape(incident.caused_by)))
    return f'<li>{glyph}<div><p>{" · ".join(facts)}</p><p class="span">{span}</p></div></li>'
