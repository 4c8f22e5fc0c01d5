"""Words for states, and formats for times."""

from datetime import datetime, timedelta

from health_aggregator.domain.state import State, Status

STATE_WORDS = {
    State.UP: "Up",
    State.SUSPECT: "Suspect",
    State.DOWN: "Down",
    State.RECOVERING: "Recovering",
    State.FLAPPING: "Flapping",
    State.STALE: "Stale",
    State.UNKNOWN: "Not checked yet",
    State.DISABLED: "Not configured",
}
STATUS_WORDS = {
    Status.HEALTHY: "All systems operational",
    Status.DEGRADED: "Some components are degraded",
    Status.UNHEALTHY: "A critical component is down",
}
DEGRADED = "Degraded"


def clock_time(at: datetime) -> str:
    """Returns a time for display."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def machine_time(at: datetime) -> str:
    """Returns a time for the `datetime` attribute."""
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def duration(length: timedelta) -> str:
    """Returns a length of time in its two largest units."""
    seconds = max(0, int(length.total_seconds()))
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts = []
    for size, name in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def percent(share: float) -> str:
    """Returns a share as a percentage that never rounds up to 100."""
    if share >= 1:
        return "100 %"
    return f"{min(share * 100, 99.99):.2f} %"
