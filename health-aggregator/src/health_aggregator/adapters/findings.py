"""Results of checks with public errors: fixed texts, never taken from a target or a driver."""

import errno
import socket
import ssl
import time

from health_aggregator.domain.check import CheckResult, Outcome

REFUSED = "refuses connections"
CLOSED = "closed the connection without an answer"
UNREACHABLE = "cannot be reached"
NO_NAME = "its name cannot be resolved"
_SILENT_ERRNOS = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ETIMEDOUT, errno.EHOSTDOWN}
)


def up(started: float) -> CheckResult:
    """Returns the result of a target that works.

    Args:
        started: Monotonic start time of the check.
    """
    return CheckResult(Outcome.UP, time.monotonic() - started)


def degraded(started: float, error: str, detail: str | None = None) -> CheckResult:
    """Returns the result of a target that works, but not as well as it should."""
    return CheckResult(Outcome.DEGRADED, time.monotonic() - started, error, detail)


def down(started: float, error: str, detail: str | None = None, *, silent: bool = False) -> CheckResult:
    """Returns the result of a target that does not work."""
    return CheckResult(Outcome.DOWN, time.monotonic() - started, error, detail, silent)


def unconnected(started: float, error: OSError, address: str) -> CheckResult:
    """Returns the result of a connection that failed or broke.

    Args:
        started: Monotonic start time of the check.
        error: The error of the socket or of TLS.
        address: Its address; only for admins.
    """
    words, silent = _explain(error)
    return down(started, words, f"{address}: {error}", silent=silent)


def certificate_words(error: ssl.SSLCertVerificationError) -> str:
    """Returns the public error of a certificate."""
    match error.verify_code:
        case 10:
            return "its certificate has expired"
        case 9:
            return "its certificate is not valid yet"
        case 62 | 64:
            return "its certificate is for another name"
        case _:
            return "its certificate is not trusted"


def _explain(error: OSError) -> tuple[str, bool]:  # noqa: PLR0911 a table
    match error:
        case ssl.SSLCertVerificationError():
            return certificate_words(error), False
        case ssl.SSLError():
            return "does not speak TLS as it should", False
        case ConnectionRefusedError():
            return REFUSED, False
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return CLOSED, False
        case socket.gaierror():
            return NO_NAME, True
        case TimeoutError():
            return UNREACHABLE, True
        case _:
            return UNREACHABLE, error.errno in _SILENT_ERRNOS
