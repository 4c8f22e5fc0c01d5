"""What happens below a request whose trace is not recorded: noted until it is over, told if it failed.

A note is two looks at the clock and a place in a list; nothing of OpenTelemetry is touched.
"""

import time
from types import TracebackType

from chassis.tracing.span import Attributes, Kind

DEFERRED_MAX = 64
"""Notes kept of one request: the last so many."""


class DeferredSpan:
    """A block, what it was and how it ended.

    Attributes:
        name: The span's name, if it becomes one.
        kind: Its kind.
        attributes: What it says of itself.
        started_ns: When it began, by `time.time_ns()`.
        ended_ns: When it ended.
        error: What failed; empty if nothing did.
    """

    __slots__ = ("_deferred", "attributes", "ended_ns", "error", "kind", "name", "started_ns")

    def __init__(
        self, deferred: "list[DeferredSpan]", name: str, kind: Kind, attributes: Attributes | None
    ) -> None:
        self._deferred = deferred
        self.name = name
        self.kind = kind
        self.attributes = attributes

    def __enter__(self) -> None:
        self.started_ns = time.time_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended_ns = time.time_ns()
        self.error = "" if error is None else reason_of(error)
        deferred = self._deferred
        if len(deferred) >= DEFERRED_MAX:
            del deferred[0]
        deferred.append(self)


def reason_of(error: BaseException) -> str:
    """Returns what a span says of an exception: its code or type, never its message."""
    return str(getattr(error, "reason", "")) or type(error).__name__
