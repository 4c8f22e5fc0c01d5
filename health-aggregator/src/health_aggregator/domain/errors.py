"""Errors of this domain."""

from chassis.errors import Kind, ServiceError, Unavailable


class TargetsRefused(Exception):
    """A list of targets is faulty and was not applied.

    Attributes:
        source: A file's name, or `targets` for all sources together.
        line: Line of a syntax error, from 1; None for other faults.
        problem: What is wrong, where, and what is expected.
    """

    def __init__(self, source: str, problem: str, line: int | None = None) -> None:
        super().__init__(f"{source}:{line}: {problem}" if line is not None else f"{source}: {problem}")
        self.source = source
        self.line = line
        self.problem = problem


class TooManyListeners(ServiceError):
    """The maximum number of streams is open."""

    kind = Kind.EXHAUSTED
    reason = "UNAVAILABLE"
    message = "Too many listeners; read the state instead."
    retry_after_seconds = 10.0


class NothingWitnessed(Unavailable):
    """This process stores no audit heads: it has no database, or no address of auth-service."""

    message = "The audit is not witnessed here: HEALTH_POSTGRES_URL and HEALTH_AUTH_ADDRESS are not both set."
