"""Times that requests hold."""

from datetime import UTC, datetime

import pytest
from chassis.errors import Invalid
from chassis.grpc.timestamps import requested_time
from google.protobuf.timestamp_pb2 import Timestamp


def test_a_time_is_read() -> None:
    assert requested_time(Timestamp(seconds=1, nanos=5_000), "since") == datetime(
        1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "sent",
    [
        Timestamp(nanos=-(2**31)),
        Timestamp(nanos=10**9),
        Timestamp(seconds=2**62),
        Timestamp(seconds=-(2**62)),
        Timestamp(seconds=253_402_300_800),
        Timestamp(seconds=-62_135_596_801),
    ],
)
def test_what_is_no_time_is_refused_by_its_field(sent: Timestamp) -> None:
    """JSON cannot hold these; callers of gRPC can send them."""
    with pytest.raises(Invalid) as refused:
        requested_time(sent, "since")
    assert [(each.field, each.message) for each in refused.value.field_errors] == [
        ("since", "is not a valid time")
    ]
