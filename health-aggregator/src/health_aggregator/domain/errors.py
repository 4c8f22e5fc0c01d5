"""What can be wrong in this domain."""

from chassis.errors import Kind, ServiceError, Unavailable


class TargetsRefused(Exception):
    """A list of targets is faulty and was not taken up.

    Attributes:
        source: Where it came from: a file's name, or `kubernetes`.
        line: Line of the fault, from 1 on; None when it has none.
        problem: What is wrong, and what is expected.
    """

    def __init__(self, source: str, problem: str, line: int | None = None) -> None:
        super().__init__(f"{source}:{line}: {problem}" if line is not None else f"{source}: {problem}")
        self.source = source
        self.line = line
        self.problem = problem


class TooManyListeners(ServiceError):
    """As many streams are open as this process will serve."""

    kind = Kind.EXHAUSTED
    reason = "UNAVAILABLE"
    message = "Too many listeners; read the state instead."
    retry_after_seconds = 10.0


class NothingWitnessed(Unavailable):
    """This process keeps no heads of the audit: it has no database, or does not know auth-service."""

    message = "The audit is not witnessed here: HEALTH_POSTGRES_URL and HEALTH_AUTH_ADDRESS are not both set."
