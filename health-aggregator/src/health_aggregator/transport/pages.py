"""The status page and its parts as `HttpBody`, cached for concurrent readers."""

from importlib.resources import files

from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.pages.catalog import preferred
from chassis.pages.style import base_style
from google.api.httpbody_pb2 import HttpBody

from health_aggregator.page.badge import component_badge, system_badge
from health_aggregator.page.metrics_page import metrics_page
from health_aggregator.page.status_page import PageContent, status_page
from health_aggregator.page.words import Words, catalogs
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
    """Renders each page at most once per second and language while nothing changes."""

    def __init__(self, history: RecordHistory, metrics: CollectMetrics, clock: Clock) -> None:
        self._history = history
        self._collected = metrics
        self._clock = clock
        self._pages: dict[str, tuple[object, HttpBody]] = {}
        self._metrics: dict[str, tuple[int, HttpBody]] = {}
        self._style = _body(_CSS, base_style() + _asset("style.css"))
        self._script = _body(_SCRIPT, _asset("live.js"))

    def status(self, health: Health, language: str, accept_language: str) -> HttpBody:
        """Returns the status page in the language that the user chose, else as the browser prefers."""
        catalog = preferred(catalogs(), language, accept_language)
        at = self._clock.now()
        key = (health.sequence, int(at.timestamp()))
        rendered = self._pages.get(catalog.language)
        if rendered is None or rendered[0] != key:
            content = PageContent(
                at=at,
                status=health.status,
                components=health.components,
                recent=self._history.recent,
                days=self._history.days,
                incidents=self._history.incidents(),
            )
            rendered = self._pages[catalog.language] = key, _body(_HTML, status_page(Words(catalog), content))
        return rendered[1]

    def metrics(self, language: str, accept_language: str) -> HttpBody:
        """Returns the metrics page, in a language chosen like the status page's."""
        catalog = preferred(catalogs(), language, accept_language)
        scrapes = self._collected.scrapes
        rendered = self._metrics.get(catalog.language)
        if rendered is None or rendered[0] != scrapes:
            page = metrics_page(Words(catalog), self._collected.present, self._clock.now())
            rendered = self._metrics[catalog.language] = scrapes, _body(_HTML, page)
        return rendered[1]

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
