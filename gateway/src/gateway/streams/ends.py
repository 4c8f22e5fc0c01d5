"""Why streams end, and how each end is named: in the last event, the close code, the log and the metrics."""

from chassis.dataclass import dataclass
from chassis.errors import DeadlineExceeded, Draining, Kind, ServiceError, TokenExpired

from gateway.http.problems import HttpError, PayloadTooLarge, RequestTimeout, UnsupportedMediaType


@dataclass(frozen=True, slots=True)
class End:
    """Why a stream ended.

    Attributes:
        reason: One word, or the error's code.
        error: What went wrong; None when nothing did.
    """

    reason: str
    error: ServiceError | None = None


FINISHED = End("finished")
DRAINING = End("draining")
IDLE = End("idle")
LIFETIME = End("lifetime")
CLIENT_GONE = End("client_gone")
EXPIRED = End(TokenExpired.reason, TokenExpired())

CLOSE_REASON_PROTOCOL = "BAD_REQUEST"

_DONE = 1000
_GOING_AWAY = 1001
_NOT_A_KIND_OF_MESSAGE = 1003
_NOT_A_MESSAGE = 1007
_NOT_ALLOWED = 1008
_TOO_BIG = 1009
_FAULT = 1011
_FULL = 1013
_TOKEN = 4401
_FORBIDDEN = 4403
_IDLE = 4408
_TOO_MANY = 4429
_LIFETIME = 4504

_OF_REASONS = {
    FINISHED.reason: (_DONE, ""),
    DRAINING.reason: (_GOING_AWAY, Draining.reason),
    IDLE.reason: (_IDLE, RequestTimeout.reason),
    LIFETIME.reason: (_LIFETIME, DeadlineExceeded.reason),
    CLIENT_GONE.reason: (_DONE, ""),
}
_OF_ERRORS = {UnsupportedMediaType.reason: _NOT_A_KIND_OF_MESSAGE, PayloadTooLarge.reason: _TOO_BIG}
_OF_KINDS = {
    Kind.INVALID: _NOT_A_MESSAGE,
    Kind.UNAUTHENTICATED: _TOKEN,
    Kind.FORBIDDEN: _FORBIDDEN,
    Kind.NOT_FOUND: _NOT_ALLOWED,
    Kind.ALREADY_EXISTS: _NOT_ALLOWED,
    Kind.CONFLICT: _NOT_ALLOWED,
    Kind.PRECONDITION: _NOT_ALLOWED,
    Kind.EXHAUSTED: _TOO_MANY,
    Kind.UNAVAILABLE: _FULL,
    Kind.DEADLINE: _LIFETIME,
    Kind.INTERNAL: _FAULT,
}
_BAD_REQUEST = 400


def failed(error: ServiceError) -> End:
    """Returns the end of a stream that failed; one whose service is stopping ends as if the gateway were."""
    return DRAINING if isinstance(error, Draining) else End(error.reason, error)


def ends_many(end: End) -> bool:
    """Returns whether what ended a stream ends others in the same moment, whose clients all come back."""
    return end is DRAINING or (end.error is not None and end.error.kind is Kind.UNAVAILABLE)


def is_for_the_token(end: End) -> bool:
    """Returns whether the token ended the stream: its client gets nothing more, not even from buffers."""
    return end.error is not None and end.error.kind is Kind.UNAUTHENTICATED


def close_of(end: End) -> tuple[int, str]:
    """Returns a WebSocket's close code and reason."""
    error = end.error
    if error is None:
        return _OF_REASONS[end.reason]
    if error.reason in _OF_ERRORS:
        return _OF_ERRORS[error.reason], error.reason
    if isinstance(error, HttpError) and error.reason == CLOSE_REASON_PROTOCOL:
        return _NOT_ALLOWED, error.reason
    return _OF_KINDS[error.kind], error.reason
