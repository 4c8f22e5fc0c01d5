"""Errors that end a program before it has started."""

from chassis import exits


class StartupError(Exception):
    """The program cannot start; the message says in one sentence why and what to do.

    Attributes:
        exit_status: The exit status of a Job; this one means that another attempt may succeed.
    """

    exit_status = exits.TRANSIENT


class StartupRefused(StartupError):
    """No attempt succeeds until a setting, a password or a permission is corrected."""

    exit_status = exits.CONFIG
