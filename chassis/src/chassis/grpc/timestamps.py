"""Times in messages."""

from datetime import UTC, datetime
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_PER_DAY = 86_400
_NANOS_PER_MICROSECOND = 1_000


@overload
def timestamp(at: datetime) -> Timestamp: ...
@overload
def timestamp(at: datetime | None) -> Timestamp | None: ...
def timestamp(at: datetime | None) -> Timestamp | None:
    """Returns a time as a message holds it; None, which leaves a field unset, for None.

    protobuf's `FromDatetime` goes through `calendar` and takes four times as long.
    """
    if at is None:
        return None
    since = at - _EPOCH
    return Timestamp(
        seconds=since.days * _SECONDS_PER_DAY + since.seconds,
        nanos=since.microseconds * _NANOS_PER_MICROSECOND,
    )


def datetime_of(message: Timestamp) -> datetime:
    """Returns a message's time, in UTC."""
    return message.ToDatetime(UTC)
