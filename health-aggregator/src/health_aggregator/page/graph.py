"""The graph of dependencies, with the cause of a failure marked."""

from collections.abc import Sequence
from html import escape

from chassis.dataclass import dataclass

from health_aggregator.domain.board import Component
from health_aggregator.domain.evaluation import FAILING
from health_aggregator.page.glyphs import STATE_GLYPHS, tone
from health_aggregator.page.words import Words

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 204, 56, 16, 52, 16
_NAME_LETTERS = 18
_NODES = 40


@dataclass(frozen=True, slots=True)
class _Spot:
    x: float
    y: float


def graph(words: Words, components: Sequence[Component]) -> str:
    """Returns the graph in a wide and a narrow form, of which a screen displays one."""
    drawn = _shown(components)
    if not drawn:
        return ""
    marked = {component.caused_by for component in drawn if component.caused_by}
    forms = "".join(
        _svg(words, drawn, marked, per_row, form) for per_row, form in ((5, "wide"), (2, "narrow"))
    )
    note = "" if len(drawn) == len(components) else f'<p class="note">{words("graph.some")}</p>'
    return (
        f'<section aria-labelledby="graph-title"><h2 id="graph-title">{words("graph.title")}</h2>'
        f"<figure>{forms}<figcaption>{words('graph.caption')}{_caption(words, drawn)}</figcaption></figure>"
        f"{note}</section>"
    )


def layers(components: Sequence[Component]) -> list[list[str]]:
    """Returns names in layers: each component above its dependencies; those without any come last."""
    depends_on = {component.name: component.depends_on for component in components}
    known = {name: [other for other in others if other in depends_on] for name, others in depends_on.items()}
    touched = {name for name, others in known.items() if others} | {
        other for others in known.values() for other in others
    }
    depth = dict.fromkeys(known, 0)
    for _ in range(len(known)):
        moved = False
        for name, others in known.items():
            for other in others:
                if depth[other] <= depth[name]:
                    depth[other] = depth[name] + 1
                    moved = True
        if not moved:
            break
    rows: dict[int, list[str]] = {}
    for name in known:
        rows.setdefault(depth[name] if name in touched else len(known), []).append(name)
    return [rows[index] for index in sorted(rows)]


def _shown(components: Sequence[Component]) -> list[Component]:
    if len(components) <= _NODES:
        return list(components)
    failing = {component.name for component in components if component.state in FAILING}
    near = set(failing)
    for component in components:
        if component.name in failing:
            near.update(component.depends_on)
        elif failing.intersection(component.depends_on):
            near.add(component.name)
    return [component for component in components if component.name in near][:_NODES]


def _place(rows: Sequence[Sequence[str]], per_row: int) -> tuple[dict[str, _Spot], float, float]:
    lines = [row[start : start + per_row] for row in rows for start in range(0, len(row), per_row)]
    widest = max(len(line) for line in lines)
    width = widest * (_WIDTH + _GAP_X) - _GAP_X + 2 * _MARGIN
    spots = {}
    for index, line in enumerate(lines):
        inset = (width - (len(line) * (_WIDTH + _GAP_X) - _GAP_X)) / 2
        for column, name in enumerate(line):
            spots[name] = _Spot(inset + column * (_WIDTH + _GAP_X), _MARGIN + index * (_HEIGHT + _GAP_Y))
    return spots, width, len(lines) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN


def _svg(words: Words, components: Sequence[Component], marked: set[str], per_row: int, form: str) -> str:
    spots, width, height = _place(layers(components), per_row)
    failing = {component.name for component in components if component.state in FAILING}
    edges = "".join(
        _edge(
            spots[component.name],
            spots[other],
            form,
            bad=component.name in failing and component.caused_by is not None and other in failing,
        )
        for component in components
        for other in component.depends_on
        if other in spots
    )
    nodes = "".join(
        _node(words, component, spots[component.name], component.name in marked) for component in components
    )
    return (
        f'<svg class="graph {form}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" aria-labelledby="graph-title">'
        f'<defs><marker id="arrow-{form}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
        'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path class="arrow" d="M0 .6 8 4 0 7.4z"/></marker></defs>'
        f"{edges}{nodes}</svg>"
    )


def _edge(start: _Spot, end: _Spot, form: str, *, bad: bool) -> str:
    x1, y1 = start.x + _WIDTH / 2, start.y + _HEIGHT
    x2, y2 = end.x + _WIDTH / 2, end.y - 3
    bend = min(60.0, (y2 - y1) * 0.6)
    classes = "edge bad" if bad else "edge"
    path = f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"
    return f'<path class="{classes}" d="{path}" marker-end="url(#arrow-{form})"/>'


def _node(words: Words, component: Component, spot: _Spot, cause: bool) -> str:  # noqa: FBT001
    family = tone(component.state, degraded=component.degraded)
    degraded = component.degraded and family == "warn"
    state = words("state.degraded" if degraded else f"state.{component.state.value}")
    glyph = "warn" if degraded else STATE_GLYPHS[component.state]
    classes = f"node tone-{family}{' cause' if cause else ''}"
    halo = (
        f'<rect class="halo" x="{spot.x - 5:g}" y="{spot.y - 5:g}" width="{_WIDTH + 10}" '
        f'height="{_HEIGHT + 10}" rx="13"/>'
        if cause
        else ""
    )
    tag = (
        f'<g class="tag"><rect x="{spot.x + _WIDTH - 54:g}" y="{spot.y - 14:g}" width="50" height="19" '
        f'rx="9.5"/><text x="{spot.x + _WIDTH - 29:g}" y="{spot.y - 0.5:g}">{words("graph.cause")}</text></g>'
        if cause
        else ""
    )
    return (
        f'<g class="{classes}">{halo}'
        f'<rect class="box" x="{spot.x:g}" y="{spot.y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="9"/>'
        f'<use href="#glyph-{glyph}" x="{spot.x + 12:g}" y="{spot.y + 19:g}" width="18" height="18"/>'
        f'<text class="name" x="{spot.x + 39:g}" y="{spot.y + 24:g}">{escape(_short(component.name))}</text>'
        f'<text class="word" x="{spot.x + 39:g}" y="{spot.y + 42:g}">{state}</text>{tag}</g>'
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LETTERS else f"{name[: _NAME_LETTERS - 1]}…"


def _caption(words: Words, components: Sequence[Component]) -> str:
    causes: dict[str, list[str]] = {}
    for component in components:
        if component.caused_by:
            causes.setdefault(component.caused_by, []).append(component.name)
    return "".join(
        " "
        + words("graph.is_cause", cause=f"<strong>{escape(cause)}</strong>", names=escape(", ".join(names)))
        for cause, names in sorted(causes.items())
    )
