"""Errors that mean the same in every service and cross gRPC unchanged.

An error has a `Kind`, which decides its status in HTTP and gRPC, and a `reason`, which is the contract's
code. Its message is constant and public; what varies goes into `details`, and the cause into the log by
`raise … from`. Domains subclass `ServiceError`:

    class EmailTaken(ServiceError):
        kind = Kind.ALREADY_EXISTS
        reason = "EMAIL_TAKEN"
        message = "This e-mail address is in use."
"""

import enum
from collections.abc import Mapping, Sequence

from chassis.dataclass import dataclass


class Kind(enum.Enum):
    """What sort of failure it is, and so what the caller should do about it."""

    INVALID = "invalid"
    """Fix the request."""
    UNAUTHENTICATED = "unauthenticated"
    """Sign in."""
    FORBIDDEN = "forbidden"
    """Ask for access."""
    NOT_FOUND = "not_found"
    """Stop."""
    ALREADY_EXISTS = "already_exists"
    """Choose another."""
    CONFLICT = "conflict"
    """Read again, then retry."""
    PRECONDITION = "precondition"
    """Change the state first."""
    EXHAUSTED = "exhausted"
    """Wait, then retry."""
    UNAVAILABLE = "unavailable"
    """Retry later."""
    DEADLINE = "deadline"
    """Retry later; it may have been done."""
    INTERNAL = "internal"
    """Report it: a bug."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request.

    Attributes:
        field: Path of the field as in JSON, such as `address.lines[1]`.
        message: What is wrong, without the value.
    """

    field: str
    message: str


class ServiceError(Exception):
    """A failure that callers can handle.

    Attributes:
        kind: The sort of failure.
        reason: The code that the contract names, in UPPER_SNAKE.
        message: Public text, the same every time.
        details: Public facts about this occurrence.
        field_errors: What is wrong with which field.
        retry_after_seconds: When it makes sense to try again; None when unknown.
        hold_seconds: How long every call of this method will be refused, so that clients of the service
            need not call it for so long. None if the failure concerns only this call.
    """

    kind: Kind = Kind.INTERNAL
    reason: str = "INTERNAL"
    message: str = "Something went wrong on our side."
    retry_after_seconds: float | None = None
    hold_seconds: float | None = None

    def __init__(
        self,
        *,
        details: Mapping[str, str] | None = None,
        field_errors: Sequence[FieldError] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(self.message)
        self.details = dict(details or {})
        self.field_errors = tuple(field_errors)
        if retry_after_seconds is not None:
            self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Invalid(ServiceError):
    """The request is not what the contract asks for."""

    kind = Kind.INVALID
    reason = "VALIDATION_ERROR"
    message = "The request is not valid."

    @classmethod
    def on(cls, field: str, message: str) -> "Invalid":
        """Returns the error for a single field."""
        return cls(field_errors=(FieldError(field, message),))


class IdempotencyKeyReused(Invalid):
    """The client used this key for another request."""


class StoredResponseExpired(ServiceError):
    """What the stored response gave has ended since, so it is not replayed."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = (
        "This call was answered, and what it gave has ended since: its answer is not given again. "
        "Make a new call under another Idempotency-Key."
    )


class Unauthenticated(ServiceError):
    """A bearer token is needed and there is none."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"
    message = "Sign in first."


class TokenInvalid(ServiceError):
    """The bearer token is not one of ours."""

    kind = Kind.UNAUTHENTICATED
    reason = "TOKEN_INVALID"
    message = "The token is not valid."


class TokenExpired(ServiceError):
    """The bearer token has lived its time."""

    kind = Kind.UNAUTHENTICATED
    reason = "TOKEN_EXPIRED"
    message = "The token has expired."


class TokenRevoked(ServiceError):
    """The bearer token was taken back before its time."""

    kind = Kind.UNAUTHENTICATED
    reason = "TOKEN_REVOKED"
    message = "The token has been revoked."


class ReauthenticationRequired(ServiceError):
    """The caller is known, but proved it too long ago for this (RFC 9470)."""

    kind = Kind.UNAUTHENTICATED
    reason = "REAUTHENTICATION_REQUIRED"
    message = (
        "This needs a recent proof of who you are. Reauthenticate, and repeat it with the new access token."
    )

    @classmethod
    def within(cls, max_age_seconds: int) -> "ReauthenticationRequired":
        """Returns the error that says how old the proof may be."""
        return cls(details={"max_age": str(max_age_seconds)})


class SecondFactorRequired(ServiceError):
    """An admin has to set up a second factor before anything else."""

    kind = Kind.FORBIDDEN
    reason = "SECOND_FACTOR_REQUIRED"
    message = (
        "Admins need a second factor here: set one up and refresh your tokens, or sign in with a passkey."
    )


class Forbidden(ServiceError):
    """The caller is known and may not do this."""

    kind = Kind.FORBIDDEN
    reason = "FORBIDDEN"
    message = "You are not allowed to do this."


class NotFound(ServiceError):
    """There is no such thing, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    reason = "NOT_FOUND"
    message = "There is no such resource."


DRAINING: Mapping[str, str] = {"draining": "true"}
"""The details that make an `Unavailable` a `Draining`."""


class Unavailable(ServiceError):
    """Something that is needed cannot be reached, or is too busy, just now."""

    kind = Kind.UNAVAILABLE
    reason = "UNAVAILABLE"
    message = "The service is not available just now."
    retry_after_seconds = 1.0


class Draining(Unavailable):
    """The process is stopping: the same request succeeds elsewhere at once."""

    def __init__(self) -> None:
        super().__init__(details=DRAINING)


class DeadlineExceeded(ServiceError):
    """The answer did not come in time."""

    kind = Kind.DEADLINE
    reason = "DEADLINE_EXCEEDED"
    message = "The answer did not come in time."


class RemoteError(ServiceError):
    """What another service answered, as it said it.

    Adapters turn the reasons they know into errors of their own domain; the others pass
    through unchanged.
    """

    def __init__(
        self,
        kind: Kind,
        reason: str,
        message: str,
        *,
        details: Mapping[str, str] | None = None,
        field_errors: Sequence[FieldError] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        self.kind = kind
        self.reason = reason
        self.message = message
        super().__init__(details=details, field_errors=field_errors, retry_after_seconds=retry_after_seconds)
