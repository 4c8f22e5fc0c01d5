"""Errors of requests about users."""

from chassis.errors import Kind, ServiceError


class EmailTaken(ServiceError):
    """Another user has this e-mail address, in its canonical form."""

    kind = Kind.ALREADY_EXISTS
    reason = "EMAIL_TAKEN"
    message = "This e-mail address is in use."


class RateLimited(ServiceError):
    """The user has requested other addresses too often within an hour."""

    kind = Kind.EXHAUSTED
    reason = "RATE_LIMITED"
    message = "The e-mail address can be changed 5 times an hour."


class LastAdmin(ServiceError):
    """The change would leave no active admin."""

    kind = Kind.CONFLICT
    reason = "LAST_ADMIN"
    message = "The last active admin cannot be demoted, deactivated or deleted."


class VersionConflict(ServiceError):
    """The user has changed since the client read it."""

    kind = Kind.PRECONDITION
    reason = "VERSION_CONFLICT"
    message = "The resource has changed; read it again."


class TooManyWebhooks(ServiceError):
    """There are as many webhooks as there may be."""

    kind = Kind.CONFLICT
    reason = "CONFLICT"
    message = "There are 20 webhooks; delete one first."


REFUSALS = (EmailTaken, LastAdmin, VersionConflict, RateLimited)
"""Errors that are audited as refused changes."""
