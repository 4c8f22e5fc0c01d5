"""A shape for each state, so that states differ in more than colour."""

from health_aggregator.domain.state import State, Status

_PATHS = {
    "up": '<circle cx="8" cy="8" r="7"/><path class="ink" d="M4.5 8.3 7 10.8 11.6 5.6"/>',
    "down": '<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z"/><path class="ink" d="m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4"/>',
    "warn": '<path d="M8 1 15.4 14.6H.6z"/><path class="ink" d="M8 5.8v4M8 11.6v.9"/>',
    "wave": '<rect x="1" y="1" width="14" height="14" rx="3"/>'
    '<path class="ink" d="M3.4 9.6 5.6 5.6l2.4 5 2.4-5 2.2 4"/>',
    "rise": '<rect x="1" y="1" width="14" height="14" rx="3"/>'
    '<path class="ink" d="M8 12V4.6M4.8 7.6 8 4.4l3.2 3.2"/>',
    "gone": '<circle class="hollow" cx="8" cy="8" r="6.4"/><path class="mark" d="M8 4.4V8l2.4 1.6"/>',
    "none": '<circle class="hollow" cx="8" cy="8" r="6.4"/><path class="mark" d="M5 8h6"/>',
}
STATE_GLYPHS = {
    State.UP: "up",
    State.SUSPECT: "warn",
    State.DOWN: "down",
    State.RECOVERING: "rise",
    State.FLAPPING: "wave",
    State.STALE: "gone",
    State.UNKNOWN: "gone",
    State.DISABLED: "none",
}
STATUS_GLYPHS = {Status.HEALTHY: "up", Status.DEGRADED: "warn", Status.UNHEALTHY: "down"}


def sprite() -> str:
    """Returns the hidden SVG that defines all glyphs."""
    symbols = "".join(
        f'<symbol id="glyph-{name}" viewBox="0 0 16 16">{path}</symbol>' for name, path in _PATHS.items()
    )
    return f'<svg class="sprite" aria-hidden="true" focusable="false">{symbols}</svg>'


def glyph(name: str, tone: str) -> str:
    """Returns a glyph for running text, which contains the same information in words."""
    return (
        f'<svg class="glyph tone-{tone}" aria-hidden="true" focusable="false">'
        f'<use href="#glyph-{name}"/></svg>'
    )


def tone(state: State, *, degraded: bool = False) -> str:
    """Returns the colour family of a state."""
    match state:
        case State.UP | State.SUSPECT if degraded:
            return "warn"
        case State.UP:
            return "up"
        case State.SUSPECT | State.FLAPPING | State.RECOVERING:
            return "warn"
        case State.DOWN:
            return "down"
        case _:
            return "none"


STATUS_TONES = {Status.HEALTHY: "up", Status.DEGRADED: "warn", Status.UNHEALTHY: "down"}
