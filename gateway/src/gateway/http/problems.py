"""Errors as HTTP responses: the status of each kind, and the errors that only HTTP has."""

import math
from typing import Any

import orjson
from chassis.errors import Kind, ReauthenticationRequired, ServiceError

from gateway.http.envelope import failure
from gateway.http.response import Header, Response

STATUSES: dict[Kind, int] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.ALREADY_EXISTS: 409,
    Kind.CONFLICT: 409,
    Kind.PRECONDITION: 412,
    Kind.EXHAUSTED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.DEADLINE: 504,
    Kind.INTERNAL: 500,
}
_WITH_RETRY_AFTER = frozenset({429, 503})
_NOT_SIGNED_IN = 401
_TOKEN_REASONS = frozenset({"TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED"})


def body_too_large(limit_bytes: int) -> str:
    """Returns what a response says of a body over a limit."""
    return f"The body is larger than {limit_bytes // 1024} KiB."


class HttpError(ServiceError):
    """An error of HTTP itself, with a status of its own."""

    kind = Kind.INVALID
    status = 400


class InvalidJson(HttpError):
    """The body is not a JSON object."""

    reason = "INVALID_JSON"
    message = "The body must be a JSON object."


class RepeatedKey(InvalidJson):
    """An object in the body has the same key twice; parsers disagree on what that means (RFC 8259, 4)."""

    message = "The body has an object with a repeated key."


class BadRequest(HttpError):
    """The request violates HTTP."""

    reason = "BAD_REQUEST"
    message = "The request is not HTTP, or its method is unknown."

    def __init__(self, message: str = "", status: int = 400) -> None:
        """Describes the violation.

        Args:
            message: Constant, without what the client sent.
            status: A status that says more than 400.
        """
        self.message = message or self.message
        self.status = status
        super().__init__()


class RouteNotFound(HttpError):
    """No route has this path."""

    status = 404
    reason = "NOT_FOUND"
    message = "There is nothing at this path."


class MethodNotAllowed(HttpError):
    """The path exists, but not with this method."""

    status = 405
    reason = "METHOD_NOT_ALLOWED"
    message = "This path does not take this method."

    def __init__(self, allowed: str) -> None:
        super().__init__()
        self.allowed = allowed


class RequestTimeout(HttpError):
    """The request did not arrive in time."""

    status = 408
    reason = "REQUEST_TIMEOUT"
    message = "The request did not come in time."


class PayloadTooLarge(HttpError):
    """The body is too large."""

    status = 413
    reason = "PAYLOAD_TOO_LARGE"
    message = "The message is too large."

    def __init__(self, limit_bytes: int | None = None) -> None:
        """`limit_bytes`: most bytes of the body; None for what is no body."""
        if limit_bytes is not None:
            self.message = body_too_large(limit_bytes)
        super().__init__()


class UnsupportedMediaType(HttpError):
    """The body has an unsupported type or encoding."""

    status = 415
    reason = "UNSUPPORTED_MEDIA_TYPE"
    message = "Send the body as application/json."

    def __init__(self, *, compressed: bool = False) -> None:
        """`compressed`: whether the body is refused for its `Content-Encoding`."""
        self.compressed = compressed
        if compressed:
            self.message = "Send the body as it is, without Content-Encoding."
        super().__init__()


class UpgradeRequired(HttpError):
    """The route is a WebSocket's, and the request is no handshake of one."""

    status = 426
    reason = "UPGRADE_REQUIRED"
    message = "Open this path as a WebSocket (RFC 6455, version 13)."


class RateLimited(ServiceError):
    """The client sends too many requests."""

    kind = Kind.EXHAUSTED
    reason = "RATE_LIMITED"
    message = "Too many requests; try again later."


def error_response(
    error: ServiceError, *, request_id: str, enveloped: bool, data: bytes = b"null"
) -> Response:
    """Returns the response to a failed request.

    Args:
        error: The failure.
        request_id: The request's id.
        enveloped: Whether the route's responses have the envelope.
        data: JSON for the envelope's `data`.
    """
    status = error.status if isinstance(error, HttpError) else STATUSES[error.kind]
    encoded = error_object(error)
    plain = b'{"error":' + encoded + b"}"
    body = failure(encoded, request_id=request_id, data=data) if enveloped else plain
    return Response(status, body, headers=_headers(error, status))


def error_object(error: ServiceError) -> bytes:
    """Returns the contract's error object, as JSON."""
    details: dict[str, Any] = dict(error.details)
    message, field = error.message, None
    if error.field_errors:
        first = error.field_errors[0]
        message, field = f"{first.field}: {first.message}", first.field
        details["errors"] = [{"field": each.field, "message": each.message} for each in error.field_errors]
    return orjson.dumps({"code": error.reason, "message": message, "field": field, "details": details})


def _headers(error: ServiceError, status: int) -> list[Header]:
    headers: list[Header] = []
    if status == _NOT_SIGNED_IN:
        headers.append((b"www-authenticate", _challenge(error)))
    if status in _WITH_RETRY_AFTER:
        retry_after_seconds = math.ceil(error.retry_after_seconds or 1)
        headers.append((b"retry-after", str(retry_after_seconds).encode()))
        if error.kind is Kind.EXHAUSTED and not isinstance(error, RateLimited):
            # The limits that the gateway counts are not used up. This one has no policy: its numbers are
            # known where it is kept.
            headers.append((b"ratelimit", f'"{error.reason.lower()}";r=0;t={retry_after_seconds}'.encode()))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, UpgradeRequired):
        headers += [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-version", b"13"),
        ]
    if isinstance(error, UnsupportedMediaType) and error.compressed:
        headers.append((b"accept-encoding", b"identity"))
    if isinstance(error, (PayloadTooLarge, RequestTimeout, BadRequest)):
        # The rest of the body is not read.
        headers.append((b"connection", b"close"))
    return headers


def _challenge(error: ServiceError) -> bytes:
    """Returns the challenge of RFC 6750, or of RFC 9470 if the last authentication is too old."""
    if error.reason == ReauthenticationRequired.reason:
        return (
            'Bearer realm="vestibule", error="insufficient_user_authentication", '
            f'error_description="{error.message}", max_age="{error.details.get("max_age", "")}"'
        ).encode()
    if error.reason in _TOKEN_REASONS:
        return (
            f'Bearer realm="vestibule", error="invalid_token", error_description="{error.message}"'.encode()
        )
    return b'Bearer realm="vestibule"'
