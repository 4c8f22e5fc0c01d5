"""Makes imports cheaper; called before anything else is imported.

A rollout starts processes on nodes that serve requests, so the processor time of a start delays requests.
"""

import gc
import sys

_NOT_IMPORTED = ("opentelemetry.sdk.metrics", "rich")


def begin() -> None:
    """Makes the following imports cheaper by a quarter.

    Disables the garbage collector, which would scan ten thousand permanent objects repeatedly;
    `chassis.lifecycle` enables it when the service serves. Until `end` is called, keeps redis-py from
    importing OpenTelemetry's metrics, and structlog from importing `rich`: they do not need them.
    """
    gc.disable()
    for name in _NOT_IMPORTED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def end() -> None:
    """Allows all imports again; the garbage collector stays off until `chassis.lifecycle` enables it."""
    for name in _NOT_IMPORTED:
        if name in sys.modules and sys.modules[name] is None:
            del sys.modules[name]
