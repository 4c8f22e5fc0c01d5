"""What one stream may take and how many there may be, as the protos declare it."""

import math

from chassis.dataclass import dataclass
from chassis.grpc.policy import Policy
from chassis.grpc.stream_policy import MESSAGE_BYTES_MAX, STREAM_SECONDS_MAX, streams_content

PER_HOLDER = 10
RECEIVED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the streams of one method.

    Attributes:
        per_holder: How many one user, API key or client may have open, at all gateways together.
        idle_seconds: How long a stream may stay without a message; infinite for no limit.
        lifetime_seconds: How long a stream may last.
        received_bytes: Most bytes of one message from the client.
        message_bytes: Most bytes of one message from the service.
        finishes: Whether streams go on when the gateway stops, since half of one is of no use.
    """

    per_holder: int = PER_HOLDER
    idle_seconds: float = math.inf
    lifetime_seconds: float = STREAM_SECONDS_MAX
    received_bytes: int = RECEIVED_BYTES
    message_bytes: int = MESSAGE_BYTES_MAX
    finishes: bool = False


def bounds_of(policy: Policy) -> Bounds:
    """Returns the bounds that a method's policy declares; the defaults where it says nothing."""
    declared = policy.options.stream
    return Bounds(
        per_holder=declared.per_person or PER_HOLDER,
        idle_seconds=declared.idle.ToNanoseconds() / 1e9 or math.inf,
        lifetime_seconds=policy.stream_seconds,
        received_bytes=declared.message_bytes or RECEIVED_BYTES,
        message_bytes=declared.message_bytes or MESSAGE_BYTES_MAX,
        finishes=streams_content(policy.descriptor),
    )
