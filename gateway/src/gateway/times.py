"""Times in the contract's format."""

from datetime import UTC, datetime
from functools import lru_cache

_NANOSECONDS_PER_MILLISECOND = 1_000_000


def rfc3339(seconds: int, nanoseconds: int) -> str:
    """Returns a time in UTC to the millisecond, as `2026-11-23T10:00:00.000Z`."""
    return f"{_to_the_second(seconds)}.{nanoseconds // _NANOSECONDS_PER_MILLISECOND:03d}Z"


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    # Nearly every response repeats the same few seconds; formatting them was 3 % of a cached read.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
