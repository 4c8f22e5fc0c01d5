"""The status page and its parts as `HttpBody`, cached for concurrent readers."""

from importlib.resources import files

from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.pages.style import base_style
from google.api.httpbody_pb2 import HttpBody

from health_aggregator.page.badge import component_badge, system_badge
from health_aggregator.page.metrics_page import metrics_page
from health_aggregator.page.status_page import PageContent, status_page
from health_aggregator.usecases.health import Health
from health_aggregator.usecases.history import RecordHistory
from health_aggregator.usecases.service_metrics import CollectMetrics

_HTML, _CSS, _SCRIPT, _SVG = (
    "text/html; charset=utf-8",
    "text/css; charset=utf-8",
    "text/javascript; charset=utf-8",
    "image/svg+xml",
)


class Pages:
    """Renders each page at most once per second while nothing changes."""

    def __init__(self, history: RecordHistory, metrics: CollectMetrics, clock: Clock) -> None:
        self._history = history
        self._collected = metrics
        self._clock = clock
        self._page: tuple[object, HttpBody] | None = None
        self._metrics: tuple[int, HttpBody] | None = None
        self._style = _body(_CSS, base_style() + _asset("style.css"))
        self._script = _body(_SCRIPT, _asset("live.js"))

    def status(self, health: Health) -> HttpBody:
        """Returns the status page."""
        at = self._clock.now()
        key = (health.sequence, int(at.timestamp()))
        if self._page is None or self._page[0] != key:
            content = PageContent(
                at=at,
                status=health.status,
                components=health.components,
                recent=self._history.recent,
                days=self._history.days,
                incidents=self._history.incidents(),
            )
            self._page = key, _body(_HTML, status_page(content))
        return self._page[1]

    def metrics(self) -> HttpBody:
        """Returns the metrics page."""
        scrapes = self._collected.scrapes
        if self._metrics is None or self._metrics[0] != scrapes:
            page = metrics_page(self._collected.present, self._clock.now())
            self._metrics = scrapes, _body(_HTML, page)
        return self._metrics[1]

    def style(self) -> HttpBody:
        """Returns the style sheet."""
        return self._style

    def script(self) -> HttpBody:
        """Returns the script."""
        return self._script

    def badge(self, health: Health, name: str) -> HttpBody:
        """Returns the badge of a component, or of the system.

        Raises:
            NotFound: no such component.
        """
        wanted = name.removesuffix(".svg")
        if wanted == "system":
            return _body(_SVG, system_badge(health.status))
        for component in health.components:
            if component.name == wanted:
                return _body(_SVG, component_badge(component))
        raise NotFound


def _asset(name: str) -> str:
    return files("health_aggregator.page").joinpath("assets", name).read_text("utf-8")


def _body(content_type: str, text: str) -> HttpBody:
    return HttpBody(content_type=content_type, data=text.encode())
