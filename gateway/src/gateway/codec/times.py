"""Timestamps as RFC 3339 in UTC, durations as seconds with an `s`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-]\d\d:\d\d))", re.ASCII
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_SECONDS_MAX = 315_576_000_000

NOT_A_TIME = "not a time (RFC 3339, such as 2026-01-31T08:00:00Z)"
NOT_A_DURATION = "not a duration (such as 1.5s)"


def time_text(timestamp: Any) -> str:
    """Returns a Timestamp as RFC 3339 with milliseconds and `Z`."""
    moment = _EPOCH + timedelta(seconds=timestamp.seconds)
    # `isoformat` with a zone ends in +00:00, and pads years on every platform, unlike strftime.
    return f"{moment.isoformat()[:19]}.{timestamp.nanos // 1_000_000:03d}Z"


def set_time(timestamp: Any, text: str) -> None:
    """Fills a Timestamp.

    Raises:
        ValueError: the text is not RFC 3339; its message is for the client.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(NOT_A_TIME)
    date, clock, fraction, _, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{offset or '+00:00'}")
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise ValueError(NOT_A_TIME) from None
    timestamp.seconds = seconds
    timestamp.nanos = int((fraction or "").ljust(9, "0"))
    timestamp.SetInParent()


def duration_text(duration: Any) -> str:
    """Returns a Duration as protobuf's JSON has it, such as `1.5s`."""
    nanos = duration.seconds * 1_000_000_000 + duration.nanos
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    seconds, rest = divmod(nanos, 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{sign}{seconds}{fraction}s"


def set_duration(duration: Any, text: str) -> None:
    """Fills a Duration.

    Raises:
        ValueError: the text is not a duration; its message is for the client.
    """
    found = _DURATION.fullmatch(text)
    if found is None or int(found[2]) > _SECONDS_MAX:
        raise ValueError(NOT_A_DURATION)
    sign = -1 if found[1] else 1
    duration.seconds = sign * int(found[2])
    duration.nanos = sign * int((found[3] or "").ljust(9, "0"))
    duration.SetInParent()
