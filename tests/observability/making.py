"""Building blocks of the series for alerts: those on which an alert fires, and those on which it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Series = Mapping[str, str]
"""Values by series, in promtool's notation: one sample per minute, `0+2x60` for sixty steps of two."""

Expected = Mapping[str, str]
"""Labels of an alert that fires; `summary` is its annotation."""


@dataclass(frozen=True)
class Made:
    """One alert and its series.

    Attributes:
        alert: The alert.
        at: When it is looked at.
        silent_at: When it is looked at on the silent series, if later.
        fires: Series on which it fires.
        expected: What fires on them.
        silent: Several sets of series on which it does not fire.
    """

    alert: str
    fires: Series
    expected: Sequence[Expected]
    silent: Sequence[Series] = ()
    at: str = "20m"
    silent_at: str = ""


def gauge(alert: str, series: str, value: float, expected: Expected, *, healthy: float = 0) -> Made:
    """Returns an alert on a gauge: too high or low, and the same when it is right."""
    return Made(alert, {series: f"{value}x20"}, [expected], [{series: f"{healthy}x20"}])


def histogram(series: str, *, between: tuple[str, str], by: str = "") -> Series:
    """Returns a histogram whose observations, one per second, fall between two bounds."""
    low, high = between
    label = f"{by}, " if by else ""
    return {
        f'{series}_bucket{{{label}le="{low}"}}': "0x20",
        f'{series}_bucket{{{label}le="{high}"}}': "0+60x20",
        f'{series}_bucket{{{label}le="+Inf"}}': "0+60x20",
    }
