"""Writes docs/metrics.md from the code: `python -m tests.tidy.metrics_page`."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grimp

from tests.tidy import tree

PAGE = tree.ROOT / "docs" / "metrics.md"

KINDS = {
    "Counter": "counter",
    "Gauge": "gauge",
    "Histogram": "histogram",
    "CounterMetricFamily": "counter",
    "GaugeMetricFamily": "gauge",
}

UNITS = {"seconds": "seconds", "bytes": "bytes", "ratio": "ratio", "info": ""}

_HEAD = """\
# Metrics

Served by each service at `/metrics`, the gateway on its own port, the others on their HTTP port (`make up`
prints it). The text format of Prometheus by default; a scraper that accepts `application/openmetrics-text`
gets OpenMetrics, in which the latency histograms carry the trace ids of recorded requests as exemplars
(Prometheus keeps them with `--enable-feature=exemplar-storage`). Besides these there are `process_*` and
`python_*` of the interpreter.

Labels never hold an id, an address or a path: routes are templates (`/api/users/{user_id}`), methods are
those of the protos. Counters begin at 0 with the process. Nothing is computed for a scrape but what is in
memory already.

This page is written by `python -m tests.tidy.metrics_page`; a test holds it against the code, and another
the `service` column against what the running services report.
"""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A metric as the code declares it.

    Attributes:
        name: As queries name it.
        kind: `counter`, `gauge` or `histogram`.
        labels: Its labels.
        meaning: What it says.
        module: Where it is declared.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    module: str

    @property
    def unit(self) -> str:
        """The unit that the name ends in; empty for what is counted."""
        return UNITS.get(self.name.removesuffix("_total").rpartition("_")[2], "")

    @property
    def services(self) -> tuple[str, ...]:
        """The services that report it: those whose program needs the module."""
        return tuple(service for service in tree.services() if self.module in _needed_by(service))


def declarations() -> list[Declaration]:
    """Returns every metric of the distributions, by name."""
    found = [
        declaration
        for source in tree.product()
        if "prometheus_client" in source.text
        for node in source.nodes
        if isinstance(node, ast.Call) and (declaration := _declared(node, source.module)) is not None
    ]
    return sorted(found, key=lambda each: each.name)


def page() -> str:
    """Returns the whole page."""
    return _HEAD + "".join(f"\n## {title}\n\n{_table(rows)}" for title, rows in _chapters(declarations()))


def _chapters(found: Iterable[Declaration]) -> Iterator[tuple[str, list[Declaration]]]:
    chapters: dict[str, list[Declaration]] = {}
    for each in found:
        package = each.module.partition(".")[0]
        title = "Of several services" if package == "chassis" else f"Of {package.replace('_', '-')} alone"
        chapters.setdefault(title, []).append(each)
    yield from sorted(chapters.items(), key=lambda chapter: chapter[0] != "Of several services")


def _table(rows: Iterable[Declaration]) -> str:
    lines = ["| metric | type | unit | labels | service | meaning |", "|---|---|---|---|---|---|"]
    for each in rows:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        services = "all" if len(each.services) == len(tree.services()) else ", ".join(each.services)
        lines.append(
            f"| `{each.name}` | {each.kind} | {each.unit} | {labels} | {services} | {each.meaning} |"
        )
    return "\n".join(lines) + "\n"


def _declared(node: ast.Call, module: str) -> Declaration | None:
    kind = KINDS.get(node.func.id) if isinstance(node.func, ast.Name) else None
    literals = [argument.value for argument in node.args[:2] if isinstance(argument, ast.Constant)]
    if kind is None or len(literals) < 2:
        return None
    name = str(literals[0])
    if kind == "counter":
        name = name.removesuffix("_total") + "_total"
    labels = [keyword.value for keyword in node.keywords if keyword.arg in {"labels", "labelnames"}]
    labels += node.args[2:3]
    return Declaration(
        name=name,
        kind=kind,
        labels=tuple(
            str(element.value)
            for given in labels
            if isinstance(given, ast.List)
            for element in given.elts
            if isinstance(element, ast.Constant)
        ),
        meaning=str(literals[1]),
        module=module,
    )


@cache
def _imports() -> grimp.ImportGraph:
    packages = ("chassis", *(tree.package_of(service) for service in tree.services()))
    graph = grimp.build_graph(*packages, cache_dir=None)
    # Commands are imported when they run: a process that serves has none of their metrics.
    for command in ("postgres.migrate", "postgres.provision", "events.commands"):
        graph.remove_import(importer="chassis.service", imported=f"chassis.{command}")
    return graph


@cache
def _needed_by(service: str) -> frozenset[str]:
    program = f"{tree.package_of(service)}.__main__"
    return frozenset(_imports().find_upstream_modules(program) | {program})


def main() -> None:
    """Writes the page."""
    Path(PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
