"""Rate, errors and duration of every RPC served, by method."""

from prometheus_client import Counter, Histogram

from chassis.metrics import LATENCY_BUCKETS

_HANDLED = Counter(
    "grpc_server_handled_total", "RPCs that have been answered.", ["service", "method", "code"]
)
_HANDLING = Histogram(
    "grpc_server_handling_seconds",
    "How long RPCs took to answer; for streams, to end.",
    ["service", "method"],
    buckets=LATENCY_BUCKETS,
)


class MethodObserver:
    """Counts and times one method. Its series are found once, not on every call."""

    def __init__(self, service: str, method: str) -> None:
        self._service = service
        self._method = method
        self._seconds = _HANDLING.labels(service, method)
        # Those that alerts ask for are there before they are needed: a rate has no first step.
        self._codes = {code: _HANDLED.labels(service, method, code) for code in ("OK", "INTERNAL")}

    def answered(self, code: str, seconds: float) -> None:
        """Notes one answer by the name of its status code."""
        counter = self._codes.get(code)
        if counter is None:
            counter = self._codes[code] = _HANDLED.labels(self._service, self._method, code)
        counter.inc()
        self._seconds.observe(seconds)
