"""What can be wrong with a request about people."""

from chassis.errors import Kind, ServiceError


class EmailTaken(ServiceError):
    """Another person has this e-mail address, in its canonical form."""

    kind = Kind.ALREADY_EXISTS
    reason = "EMAIL_TAKEN"
    message = "This e-mail address is in use."


class RateLimited(ServiceError):
    """The user has asked for other addresses as often as one may in an hour."""

    kind = Kind.EXHAUSTED
    reason = "RATE_LIMITED"
    message = "The e-mail address can be changed 5 times an hour."


class LastAdmin(ServiceError):
    """The change would leave nobody to administer the platform."""

    kind = Kind.CONFLICT
    reason = "LAST_ADMIN"
    message = "The last active admin cannot be demoted, deactivated or deleted."


class VersionConflict(ServiceError):
    """The person has changed since the client read it."""

    kind = Kind.PRECONDITION
    reason = "VERSION_CONFLICT"
    message = "The resource has changed; read it again."


REFUSALS = (EmailTaken, LastAdmin, VersionConflict, RateLimited)
"""Refused changes that the audit trail shows."""
