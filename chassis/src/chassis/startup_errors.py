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
    """Returns one line that explains an error at start-up."""
    if isinstance(error, StartupError):
        return str(error)
    if isinstance(error, ServiceError):
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return f"{error}{cause}".replace("\n", " ")
    return f"{type(error).__name__}: {error}".replace("\n", " ")
