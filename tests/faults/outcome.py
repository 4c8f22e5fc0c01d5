"""The outcome of the calls during a fault."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """The outcome of the calls.

    Attributes:
        fault: What happened.
        calls: How many calls there were.
        failed_reads: How many reads got no answer or a 5xx.
        failed_writes: How many of the others.
        recovered_seconds: How long after the fault the last failing call ended.
        delivered_seconds: How long after the last call its traces were in the audit trail.
        broken: Every rule that did not hold, and where.
        failures: Every call that failed.
    """

    fault: str
    calls: int
    failed_reads: int
    failed_writes: int
    recovered_seconds: float
    delivered_seconds: float
    broken: tuple[str, ...]
    failures: tuple[str, ...]
