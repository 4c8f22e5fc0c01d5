"""Errors cross gRPC and come out as they went in."""

import grpc
import grpc.aio
import pytest
from chassis.errors import (
    DeadlineExceeded,
    FieldError,
    Invalid,
    Kind,
    NotFound,
    RemoteError,
    ServiceError,
    Unavailable,
)
from chassis.grpc import errors
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ERRORS = st.builds(
    RemoteError,
    st.sampled_from(Kind),
    st.text("ABC_", min_size=1, max_size=20),
    TEXT,
    details=st.dictionaries(TEXT, TEXT, max_size=3),
    field_errors=st.lists(st.builds(FieldError, TEXT, TEXT), max_size=3),
    retry_after_seconds=st.none() | st.integers(0, 10**6).map(lambda thousandths: thousandths / 1000),
)


def sent(error: ServiceError) -> grpc.aio.AioRpcError:
    """Returns what the client's side of gRPC raises."""
    code, text, trailing = errors.encode(error)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), text)


@given(ERRORS)
def test_round_trip(error: RemoteError) -> None:
    """Nothing that an error says is lost on the way."""
    received = errors.decode(sent(error))

    assert (error.kind, error.reason, error.message) == (received.kind, received.reason, received.message)
    assert error.details == received.details
    assert error.field_errors == received.field_errors
    assert error.retry_after_seconds == pytest.approx(received.retry_after_seconds)


def test_well_known_errors_come_back_as_themselves() -> None:
    """An adapter can write `except Unavailable`, whichever service was unavailable."""
    received = errors.decode(sent(Unavailable(retry_after_seconds=7)))

    assert type(received) is Unavailable
    assert received.retry_after_seconds == 7
    assert type(errors.decode(sent(DeadlineExceeded()))) is DeadlineExceeded
    assert type(errors.decode(sent(NotFound()))) is RemoteError


def test_refusal_with_a_time_is_not_repeated_by_the_channel() -> None:
    """`grpc-retry-pushback-ms: -1` keeps the client's channel from retrying at once."""
    _, _, trailing = errors.encode(Unavailable())

    assert (errors.PUSHBACK_KEY, "-1") in trailing
    assert errors.PUSHBACK_KEY not in dict(errors.encode(Invalid())[2])


def test_the_wish_not_to_be_asked_crosses_too() -> None:
    """It is for the calling service, not for its client."""
    full = Unavailable()
    full.hold_seconds = 0.025

    assert errors.decode(sent(full)).hold_seconds == pytest.approx(0.025)
    assert errors.decode(sent(Unavailable())).hold_seconds is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, Kind.UNAVAILABLE),
        (grpc.StatusCode.CANCELLED, Kind.UNAVAILABLE),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Kind.UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Kind.DEADLINE),
        (grpc.StatusCode.UNIMPLEMENTED, Kind.UNAVAILABLE),
        (grpc.StatusCode.NOT_FOUND, Kind.INTERNAL),
        (grpc.StatusCode.UNKNOWN, Kind.INTERNAL),
    ],
)
def test_statuses_of_grpc_itself_say_nothing(code: grpc.StatusCode, kind: Kind) -> None:
    """What gRPC says about sockets and hosts never becomes a message."""
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "ipv4:10.0.0.7:1 refused")
    received = errors.decode(error)

    assert kind is received.kind
    assert "10.0.0.7" not in str(received)


@pytest.mark.parametrize("value", [b"\xff\xff\xff", b""])
def test_garbled_details_are_no_details(value: bytes) -> None:
    """A status that cannot be read is a bare one."""
    trailing = grpc.aio.Metadata((errors.DETAILS_KEY, value))
    error = grpc.aio.AioRpcError(grpc.StatusCode.ALREADY_EXISTS, grpc.aio.Metadata(), trailing, "x")

    assert errors.decode(error).kind is Kind.INTERNAL
