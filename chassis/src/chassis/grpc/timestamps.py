"""Times in messages."""

from datetime import UTC, datetime
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp


@overload
def timestamp(at: datetime) -> Timestamp: ...
@overload
def timestamp(at: datetime | None) -> Timestamp | None: ...
def timestamp(at: datetime | None) -> Timestamp | None:
    """Returns a time as a message holds it; None, which leaves a field unset, for None."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def datetime_of(message: Timestamp) -> datetime:
    """Returns a message's time, in UTC."""
    return message.ToDatetime(UTC)
