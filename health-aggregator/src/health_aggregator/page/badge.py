"""Badges: a state as a small SVG, in English, to embed in other pages."""

from html import escape

from chassis.pages.catalog import FALLBACK

from health_aggregator.domain.board import Component
from health_aggregator.domain.state import State, Status
from health_aggregator.page.words import catalogs

_COLOURS = {"up": "#1a7f37", "warn": "#9a6700", "down": "#b42318", "none": "#57606a"}
_STATUS = {
    Status.HEALTHY: ("healthy", "up"),
    Status.DEGRADED: ("degraded", "warn"),
    Status.UNHEALTHY: ("unhealthy", "down"),
}
_TONES = {
    State.UP: "up",
    State.DOWN: "down",
    State.SUSPECT: "warn",
    State.RECOVERING: "warn",
    State.FLAPPING: "warn",
}
_LETTER, _PADDING = 6.6, 9


def component_badge(component: Component) -> str:
    """Returns the badge of a component."""
    if component.degraded and component.state is State.UP:
        return badge(component.name, "degraded", "warn")
    word = catalogs()[FALLBACK](f"state.{component.state.value}").lower()
    return badge(component.name, word, _TONES.get(component.state, "none"))


def system_badge(status: Status) -> str:
    """Returns the badge of the whole system."""
    return badge("system", *_STATUS[status])


def badge(label: str, word: str, tone: str) -> str:
    """Returns an SVG image: a label, and a word on a coloured background."""
    left = len(label) * _LETTER + 2 * _PADDING
    right = len(word) * _LETTER + 2 * _PADDING
    width = left + right
    text = escape(f"{label}: {word}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="20" role="img" '
        f'aria-label="{text}">'
        f"<title>{text}</title>"
        f'<clipPath id="r"><rect width="{width:.0f}" height="20" rx="4"/></clipPath><g clip-path="url(#r)">'
        f'<rect width="{left:.1f}" height="20" fill="#24292f"/>'
        f'<rect x="{left:.1f}" width="{right:.1f}" height="20" fill="{_COLOURS[tone]}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:.1f}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2:.1f}" y="14">{escape(word)}</text></g></svg>'
    )
