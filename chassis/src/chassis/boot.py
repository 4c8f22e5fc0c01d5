"""Makes imports cheaper; called before anything else is imported.

A rollout starts processes on nodes that serve requests, so the processor time of a start delays requests.
"""

import gc
import sys

_NOT_IMPORTED = "opentelemetry.sdk.metrics"


def quick() -> None:
    """Makes the following imports cheaper by a quarter.

    Disables the garbage collector, which would scan ten thousand permanent objects repeatedly;
    `chassis.lifecycle` enables it when the service serves. And keeps redis-py from importing OpenTelemetry's
    metrics, which it does not need, until `imported` is called.
    """
    gc.disable()
    sys.modules.setdefault(_NOT_IMPORTED, None)  # type: ignore[arg-type]


def imported() -> None:
    """Allows all imports again; the garbage collector stays off until `chassis.lifecycle` enables it."""
    if _NOT_IMPORTED in sys.modules and sys.modules[_NOT_IMPORTED] is None:
        del sys.modules[_NOT_IMPORTED]
