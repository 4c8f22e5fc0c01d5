"""Errors that end a program before it has started."""

from chassis import exits
from chassis.errors import ServiceError


class StartupError(Exception):
    """The program cannot start; the message says in one sentence why and what to do.

    Attributes:
        exit_status: The exit status of a Job; this one means that another attempt may succeed.
    """

    exit_status = exits.TRANSIENT


class StartupRefused(StartupError):
    """No attempt succeeds until a setting, a password or a permission is corrected."""

    exit_status = exits.CONFIG


def sentence(error: BaseException) -> str:
    """Returns one line that explains an error at start-up or of a command: what failed, and where."""
    if isinstance(error, StartupError):
        return str(error)
    if isinstance(error, ServiceError):
        cause = error.__cause__
        notes = getattr(error, "__notes__", [])
        return str(error) if cause is None else f"{error} ({': '.join([*notes, sentence(cause)])})"
    said = " ".join(_text(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _text(error: BaseException) -> str:
    # A gRPC call's error is a page, of which this is the point.
    details = getattr(error, "details", None)
    return str(details() if callable(details) else error)
