"""The status pages and badges as documents: escaped, well-formed, with enough contrast."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from chassis.pages.style import base_style
from health_aggregator.domain.board import ISOLATED, Component
from health_aggregator.domain.history import Incident, Period
from health_aggregator.domain.service_metrics import ServiceMetrics
from health_aggregator.domain.state import State, Status
from health_aggregator.page.badge import component_badge, system_badge
from health_aggregator.page.charts import day_words, spark_words, sparkline
from health_aggregator.page.graph import graph, layers
from health_aggregator.page.metrics_page import metrics_page
from health_aggregator.page.status_page import PageContent, status_page
from health_aggregator.page.words import Words, catalogs, duration, percent

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"
CONTRAST = 4.5
ENGLISH, GERMAN = (Words(catalogs()[language]) for language in ("en", "de"))


def a_component(name: str = "postgres", state: State = State.UP, **other: object) -> Component:
    """Returns a component."""
    values: dict[str, object] = {
        "kind": "postgres",
        "critical": True,
        "raw": State.UP,
        "degraded": False,
        "latency_seconds": 0.002,
        "since": NOON - timedelta(minutes=3),
        "error": None,
        "detail": None,
        "depends_on": (),
        "caused_by": None,
    }
    return Component(name=name, state=state, **(values | other))  # type: ignore[arg-type]


def a_page(*components: Component, status: Status = Status.HEALTHY, words: Words = ENGLISH) -> str:
    """Returns a page."""
    incident = Incident(EVIL, NOON - timedelta(hours=1), None, State.DOWN, EVIL, EVIL)
    day = {NOON.replace(hour=0): Period("postgres", NOON.replace(hour=0), 10, 1, 100.0, 99.0)}
    content = PageContent(
        NOON, status, components, lambda _: (0.001, None, 0.003), {"postgres": day}, [incident]
    )
    return status_page(words, content)


class _Tags(HTMLParser):
    void = frozenset({"meta", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


@pytest.mark.parametrize("state", State)
def test_every_state_makes_a_valid_document(state: State) -> None:
    """Tags are balanced, names are escaped, and a strict Content-Security-Policy allows everything."""
    page = a_page(
        a_component(EVIL, state, error=EVIL, depends_on=("postgres",), caused_by="postgres"),
        a_component("postgres", State.DOWN, error="refuses connections"),
        status=Status.UNHEALTHY,
    )
    tags = _Tags()
    tags.feed(page)

    assert tags.open == []
    assert EVIL not in page
    assert not any(
        "style" in attributes or any(name.startswith("on") for name in attributes)
        for _, attributes in tags.seen
    )
    assert [attributes.get("src") for tag, attributes in tags.seen if tag == "script"] == ["/status/live.js"]
    identifiers = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)


def test_metrics_make_a_valid_document() -> None:
    """Also before the first scrape; high values are marked in words too."""
    stuck = ServiceMetrics(
        "auth-service",
        processes=1,
        requests_per_second=1.5,
        failing=0.5,
        levels={"outbox_oldest_pending_seconds": 40.0, "auth_hashing_jobs": 3, "auth_hashing_jobs_max": 9},
        recent=(None, 1.0, 1.5),
    )
    page = metrics_page(ENGLISH, [stuck, ServiceMetrics("gateway", processes=0)], NOON)
    tags = _Tags()
    tags.feed(page)

    assert tags.open == []
    assert '40 s<span class="unseen"> (high)</span>' in page
    assert "3 of 9" in page
    assert "none responds" in page
    assert "No metrics yet" in metrics_page(ENGLISH, [], NOON)


def test_speaks_german() -> None:
    """Everything but names, units and what checks report, which is marked as English."""
    sick = a_component("voice", State.DOWN, error="refuses connections", caused_by="postgres", raw=State.DOWN)
    page = a_page(
        sick,
        a_component("postgres", State.STALE),
        a_component("redis", degraded=True, error="slow"),
        a_component("qdrant", State.DISABLED),
        status=Status.UNHEALTHY,
        words=GERMAN,
    )
    stuck = ServiceMetrics("gateway", processes=0, p50_seconds=0.0015, levels={"mails_pending": 400.0})
    page += metrics_page(GERMAN, [stuck], NOON) + metrics_page(GERMAN, [], NOON)
    text = re.sub(r'<span lang="en">.*?</span>|<button .*?</button>|<code>.*?</code>', "", page)
    text = re.sub(r"<[^>]*>", "\n", text)
    german, english = GERMAN.catalog.messages, ENGLISH.catalog.messages
    translated = [english[name] for name in english if german[name] != english[name]]

    assert '<html lang="de">' in page
    assert "lehnt Verbindungen ab" in page
    assert '<span lang="en">slow</span>' in page
    assert "1,5 ms" in page
    assert "Eine wichtige Komponente ist ausgefallen" in page
    assert [message for message in translated if re.search(rf"\b{re.escape(message)}\b", text)] == []


def test_reports_that_the_aggregator_is_cut_off() -> None:
    """The page says that its states may be out of date."""
    page = a_page(a_component("health-aggregator", degraded=True, error=ISOLATED), status=Status.DEGRADED)

    assert "health-aggregator cannot reach any component" in page


def test_marks_the_cause_in_the_graph() -> None:
    """By a tag, and in the caption."""
    drawn = graph(
        ENGLISH,
        [
            a_component("auth", State.DOWN, depends_on=("postgres",), caused_by="postgres"),
            a_component("postgres", State.DOWN),
        ],
    )

    assert "<strong>postgres</strong> is the cause of the failure of auth." in drawn
    assert drawn.count('class="tag"') == 2
    assert drawn.count('class="edge bad"') == 2


def test_a_large_graph_shows_failures_and_their_neighbours() -> None:
    """Other components are left out."""
    components = [
        a_component(f"c{index}", depends_on=("postgres",) if index == 7 else ()) for index in range(1000)
    ]
    drawn = graph(ENGLISH, [*components, a_component("postgres", State.DOWN)])

    assert "c7" in drawn
    assert "c8<" not in drawn
    assert graph(ENGLISH, components) == ""


def test_layers_are_above_their_dependencies() -> None:
    """Components without any come last."""
    components = [
        a_component("gateway", depends_on=("auth", "users")),
        a_component("auth", depends_on=("postgres",)),
        a_component("users", depends_on=("postgres",)),
        a_component("postgres"),
        a_component("alone"),
    ]

    assert layers(components) == [["gateway"], ["auth", "users"], ["postgres"], ["alone"]]


def test_charts_have_text_alternatives() -> None:
    """For screen readers."""
    assert spark_words(ENGLISH, (0.001, None, 0.003)) == "last 3 checks: median 3 ms, slowest 3 ms, 1 failed"
    assert spark_words(ENGLISH, (None, None)) == "the last 2 checks failed"
    assert day_words(ENGLISH, {}) == "no history yet"
    assert "no checks yet" in sparkline(ENGLISH, ())


def test_percentages_and_durations() -> None:
    """A share below 1 is never rounded to 100 %."""
    assert [percent(share) for share in (1.0, 0.999999, 0.5)] == ["100 %", "99.99 %", "50.00 %"]
    assert [duration(timedelta(seconds=seconds)) for seconds in (0, 65, 2 * 86400 + 3600 + 59)] == [
        "0 s",
        "1 min 5 s",
        "2 d 1 h",
    ]


@pytest.mark.parametrize("state", State)
def test_badges_have_text_alternatives(state: State) -> None:
    """Well-formed SVG with its state as a label."""
    image = ET.fromstring(component_badge(a_component("a<b", state)))

    assert image.attrib["aria-label"].startswith("a<b: ")


def test_the_system_has_a_badge() -> None:
    """One for each status."""
    labels = [ET.fromstring(system_badge(status)).attrib["aria-label"] for status in Status]

    assert labels == ["system: healthy", "system: degraded", "system: unhealthy"]


def test_every_colour_has_enough_contrast() -> None:
    """4.5 to 1 (WCAG AA), in both colour schemes."""
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w+);", block)) for block in _roots(base_style()))
    for scheme in (light, light | dark):
        for ink in ("ink", "faint", "up", "warn", "down", "none"):
            for ground in ("ground", "card"):
                assert _contrast(scheme[ink], scheme[ground]) >= CONTRAST, (ink, ground)
        for tone in ("up", "warn", "down", "none"):
            for ink in ("ink", "faint", tone):
                assert _contrast(scheme[ink], scheme[f"{tone}-soft"]) >= CONTRAST, (ink, tone)


def _roots(style: str) -> list[str]:
    return re.findall(r":root \{(.*?)\}", style, re.DOTALL)


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
