"""Small inline charts: latency sparklines and the bars of 90 days."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from health_aggregator.domain.history import Period, availability
from health_aggregator.page.words import Words

_SPARK_WIDTH, _SPARK_HEIGHT = 120, 28
_BAR_WIDTH, _BAR_GAP, _BAR_HEIGHT = 3, 1, 28
DAYS = 90
_DEGRADED_BELOW = 0.999


def sparkline(words: Words, latencies: Sequence[float | None], slots: int = 60, label: str = "") -> str:
    """Returns the latencies of the last checks as a line; failed ones are ticks at the bottom.

    Args:
        words: The language.
        latencies: In any unit, oldest first; None for a failed check.
        slots: Maximum number.
        label: Text alternative; by default that of latencies.
    """
    known = [latency for latency in latencies if latency is not None]
    if not latencies:
        return f'<span class="none">{words("charts.no_checks")}</span>'
    top = max(known, default=0.0) * 1.15 or 1.0
    step = _SPARK_WIDTH / (slots - 1)
    first = slots - len(latencies)
    points: list[str] = []
    ticks: list[str] = []
    pen = "M"
    for index, latency in enumerate(latencies):
        x = (first + index) * step
        if latency is None:
            ticks.append(f"M{x:.1f} {_SPARK_HEIGHT}v-9")
            pen = "M"
        else:
            points.append(f"{pen}{x:.1f} {_SPARK_HEIGHT - 2 - latency / top * (_SPARK_HEIGHT - 4):.1f}")
            pen = "L"
    text = label or spark_words(words, latencies)
    return (
        f'<svg class="spark" viewBox="0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="{text}">'
        f'<path class="base" d="M0 {_SPARK_HEIGHT - 0.5}h{_SPARK_WIDTH}"/>'
        f'<path class="line" d="{"".join(points)}"/><path class="tick" d="{"".join(ticks)}"/></svg>'
    )


def spark_words(words: Words, latencies: Sequence[float | None]) -> str:
    """Returns the text alternative of a sparkline."""
    known = sorted(latency for latency in latencies if latency is not None)
    failed = len(latencies) - len(known)
    if not known:
        return words("charts.all_failed", n=len(latencies))
    median, slowest = words.milliseconds(known[len(known) // 2]), words.milliseconds(known[-1])
    text = words("charts.latencies", n=len(latencies), median=median, slowest=slowest)
    return f"{text}, {words('charts.failed', n=failed)}" if failed else text


def day_bars(words: Words, days: Mapping[datetime, Period], today: datetime) -> str:
    """Returns one bar per day for 90 days; the notch from above is the share of time that it was down."""
    bars = []
    for age in range(DAYS - 1, -1, -1):
        day = today - timedelta(days=age)
        period = days.get(day)
        share = period.availability if period is not None else None
        x = (DAYS - 1 - age) * (_BAR_WIDTH + _BAR_GAP)
        bars.append(_bar(words, x, share, f"{day:%Y-%m-%d}"))
    width = DAYS * (_BAR_WIDTH + _BAR_GAP) - _BAR_GAP
    return (
        f'<svg class="days" viewBox="0 0 {width} {_BAR_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{day_words(words, days)}">{"".join(bars)}</svg>'
    )


def day_words(words: Words, days: Mapping[datetime, Period]) -> str:
    """Returns the text alternative of the bars."""
    share = availability(days.values())
    if share is None:
        return words("charts.no_history")
    shares = [period.availability for period in days.values()]
    bad = sum(1 for each in shares if each is not None and each < _DEGRADED_BELOW)
    text = words("charts.available", share=words.percent(share), n=len(days))
    return f"{text}, {words('charts.degraded_on', n=bad)}" if bad else text


def _bar(words: Words, x: float, share: float | None, day: str) -> str:
    if share is None:
        return _rect("empty", x, _BAR_HEIGHT - 4, 4, f"{day}: {words('charts.no_data')}")
    # The notch is at least a fifth high, so that a short outage is visible.
    lost = 0.0 if share >= 1 else max(0.2, 1 - share) * _BAR_HEIGHT
    title = f"{day}: {words.percent(share)}"
    good = _rect("good", x, lost, _BAR_HEIGHT - lost, title)
    return good + _rect("lost", x, 0, lost, title) if lost else good


def _rect(kind: str, x: float, y: float, height: float, title: str) -> str:
    place = f'x="{x:g}" y="{y:.1f}" width="{_BAR_WIDTH}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place}><title>{title}</title></rect>'
