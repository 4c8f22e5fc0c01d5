"""Encodes `ServiceError` as a gRPC status and back, by `google.rpc.Status` in the trailing metadata."""

from typing import TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from chassis.errors import (
    DRAINING,
    DeadlineExceeded,
    Draining,
    FieldError,
    Kind,
    RemoteError,
    ServiceError,
    Unavailable,
)

DOMAIN = "vestibule"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
NO_RETRY = "-1"
HOLD_KEY = "vestibule-hold-ms"

CODES: dict[Kind, grpc.StatusCode] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}
_KINDS = {code: kind for kind, code in CODES.items()} | {
    # The other side cancelled: it is shutting down.
    grpc.StatusCode.CANCELLED: Kind.UNAVAILABLE,
    # The other side is an older release, for the duration of a rollout.
    grpc.StatusCode.UNIMPLEMENTED: Kind.UNAVAILABLE,
}
_KINDS_BY_NUMBER = {code.value[0]: kind for code, kind in _KINDS.items()}

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]


def encode(error: ServiceError) -> tuple[grpc.StatusCode, str, Metadata]:
    """Returns the status code, its text and the trailing metadata of an error."""
    trailing: list[tuple[str, str | bytes]] = []
    if error.retry_after_seconds is not None:
        # A refusal by the service itself must not be retried by the client's channel.
        trailing.append((PUSHBACK_KEY, NO_RETRY))
    if error.hold_seconds is not None:
        trailing.append((HOLD_KEY, str(round(error.hold_seconds * 1e3))))
    trailing.append((DETAILS_KEY, to_status(error).SerializeToString()))
    return CODES[error.kind], error.message, tuple(trailing)


def to_status(error: ServiceError) -> status_pb2.Status:
    """Returns the error as Google's `Status`, with its public details."""
    status = status_pb2.Status(code=CODES[error.kind].value[0], message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.details)
    status.details.add().Pack(info)
    if error.field_errors:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=each.field, description=each.message)
            for each in error.field_errors
        ]
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
    if error.retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(error.retry_after_seconds * 1e9))
        status.details.add().Pack(retry)
    return status


def decode(error: grpc.aio.AioRpcError) -> ServiceError:
    """Returns the error that the other side raised.

    `Unavailable` and `DeadlineExceeded` are returned as themselves, all others as `RemoteError`. A status
    without our details comes from gRPC itself and has no public details.
    """
    kind = _KINDS.get(error.code(), Kind.INTERNAL)
    status = _details(error)
    if status is None:
        return _bare(kind)
    meant = from_status(status, kind)
    meant.hold_seconds = _hold_seconds(error)
    return meant


def from_status(status: status_pb2.Status, kind: Kind | None = None) -> ServiceError:
    """Returns the error of a status that `to_status` made.

    Args:
        status: The status.
        kind: The kind, if known; None to take it from the status' code.
    """
    kind = kind or _KINDS_BY_NUMBER.get(status.code, Kind.INTERNAL)
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    seconds: float | None = None
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(request.DESCRIPTOR):
            detail.Unpack(request)
        elif detail.Is(retry.DESCRIPTOR):
            detail.Unpack(retry)
            seconds = retry.retry_delay.ToNanoseconds() / 1e9
    if info.domain != DOMAIN:
        return _bare(kind)
    details = dict(info.metadata)
    if kind is Kind.UNAVAILABLE and info.reason == Unavailable.reason:
        if details == DRAINING:
            return Draining()
        return Unavailable(details=details, retry_after_seconds=seconds)
    if kind is Kind.DEADLINE and info.reason == DeadlineExceeded.reason:
        return DeadlineExceeded(details=details, retry_after_seconds=seconds)
    return RemoteError(
        kind,
        info.reason,
        status.message,
        details=details,
        field_errors=[FieldError(each.field, each.description) for each in request.field_violations],
        retry_after_seconds=seconds,
    )


# Prefixes of gRPC's messages when it had no connection to send a call on.
_NOT_CONNECTED = ("failed to connect", "connections to all backends failing", "DNS resolution failed")


def is_unreachable(error: ServiceError) -> bool:
    """Returns whether gRPC itself failed, so that no service has answered the call."""
    cause = error.__cause__
    if not isinstance(error, Unavailable) or not isinstance(cause, grpc.aio.AioRpcError):
        return False
    if cause.code() is grpc.StatusCode.UNIMPLEMENTED:
        return False
    return all(key != DETAILS_KEY for key, _ in cause.trailing_metadata() or ())


def never_sent(error: ServiceError) -> bool:
    """Returns whether there was no connection, so that the call was not sent and may be retried."""
    cause = error.__cause__
    if not is_unreachable(error) or not isinstance(cause, grpc.aio.AioRpcError):
        return False
    return (cause.details() or "").startswith(_NOT_CONNECTED)


def _hold_seconds(error: grpc.aio.AioRpcError) -> float | None:
    for key, value in error.trailing_metadata() or ():
        if key == HOLD_KEY and isinstance(value, str) and value.isdecimal():
            return int(value) / 1e3
    return None


def _details(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _bare(kind: Kind) -> ServiceError:
    if kind is Kind.DEADLINE:
        return DeadlineExceeded()
    # gRPC's own RESOURCE_EXHAUSTED means an overloaded server or an oversized message, not a rate limit.
    if kind in (Kind.UNAVAILABLE, Kind.EXHAUSTED):
        return Unavailable()
    return ServiceError()
