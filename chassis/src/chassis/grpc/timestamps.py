"""Times in messages."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(at: datetime) -> Timestamp:
    """Returns a time as a message holds it."""
    message = Timestamp()
    message.FromDatetime(at)
    return message


def datetime_of(message: Timestamp) -> datetime:
    """Returns a message's time, in UTC."""
    return message.ToDatetime(UTC)
