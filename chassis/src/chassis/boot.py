"""What a service does before it imports anything else, so that its start costs little.

A rollout starts a process of each service on nodes that are busy serving: what a start costs, requests pay.
"""

import gc
import sys

_KEPT_OUT = "opentelemetry.sdk.metrics"


def quick() -> None:
    """Makes the imports that follow cheaper by a quarter.

    The garbage collector would walk ten thousand modules, classes and functions again and again, none of
    which goes away: `chassis.lifecycle` turns it on when the service serves. And redis-py would
    import OpenTelemetry's metrics, which it does without: `imported` lets others have them.
    """
    gc.disable()
    sys.modules.setdefault(_KEPT_OUT, None)  # type: ignore[arg-type]


def imported() -> None:
    """Ends what `quick` began, but for the garbage collector: `chassis.lifecycle` has everything now."""
    if _KEPT_OUT in sys.modules and sys.modules[_KEPT_OUT] is None:
        del sys.modules[_KEPT_OUT]
