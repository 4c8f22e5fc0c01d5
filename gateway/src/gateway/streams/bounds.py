"""What one stream may take and how many there may be, as the protos say."""

import math
from dataclasses import dataclass

from chassis.grpc.stream_policy import STREAM_SECONDS_MAX
from vestibule.api.v1 import options_pb2

PER_HOLDER = 10
MESSAGE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the streams of one method.

    Attributes:
        per_holder: How many one user, API key or client may have open at this gateway.
        idle_seconds: How long a stream may bring nothing; infinite for ever.
        lifetime_seconds: How long a stream may last.
        message_bytes: Most bytes of one message.
    """

    per_holder: int = PER_HOLDER
    idle_seconds: float = math.inf
    lifetime_seconds: float = STREAM_SECONDS_MAX
    message_bytes: int = MESSAGE_BYTES


def bounds_of(options: options_pb2.MethodPolicy) -> Bounds:
    """Returns the bounds that a method's policy declares; the defaults where it says nothing."""
    declared = options.stream
    return Bounds(
        per_holder=declared.per_person or PER_HOLDER,
        idle_seconds=declared.idle.ToNanoseconds() / 1e9 or math.inf,
        lifetime_seconds=declared.lifetime.ToNanoseconds() / 1e9 or STREAM_SECONDS_MAX,
        message_bytes=declared.message_bytes or MESSAGE_BYTES,
    )
