"""The error that ends a program before it has started."""

from chassis import exits


class StartupError(Exception):
    """The program can't start; its text is one sentence that says why and what to do.

    Attributes:
        exit_status: What a job ends with; a later attempt may succeed.
    """

    exit_status = exits.TRANSIENT


class StartupRefused(StartupError):
    """No later attempt succeeds before a setting, a password or a right is mended."""

    exit_status = exits.CONFIG
