"""Times as the contract writes them."""

from datetime import UTC, datetime

_NANOSECONDS_PER_MILLISECOND = 1_000_000


def rfc3339(seconds: int, nanoseconds: int) -> str:
    """Returns a time in UTC to the millisecond, as `2026-11-23T10:00:00.000Z`."""
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{nanoseconds // _NANOSECONDS_PER_MILLISECOND:03d}Z"
