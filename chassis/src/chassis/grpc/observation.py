"""Rate, errors and duration of every RPC served, by method, and the end of its span."""

from prometheus_client import Counter, Histogram

from chassis.grpc.call import current_call
from chassis.metrics import LATENCY_BUCKETS
from chassis.tracing import traces

FAILURES = frozenset({"DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN"})
"""Codes that say that something is wrong with us, not with the request."""

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
        recorded = self._end_span(code, seconds) if traces.enabled() else ""
        self._seconds.observe(seconds, traces.exemplar(recorded))

    def _end_span(self, code: str, seconds: float) -> str:
        """Ends the span of the RPC, or records a failure that had none; returns its trace context."""
        attributes = {
            "rpc.system": "grpc",
            "rpc.service": self._service,
            "rpc.method": self._method,
            "rpc.response.status_code": code,
        }
        span = traces.present()
        if span is not None:
            for key, value in attributes.items():
                span.note(key, value)
            if code in FAILURES:
                span.fail(code)
            span.end()
            return span.traceparent
        if code not in FAILURES:
            return ""
        call = current_call()
        return traces.record(
            f"{self._service}/{self._method}",
            "SERVER",
            "" if call is None else call.traceparent,
            started_ns=traces.since(seconds),
            error=code,
            attributes=attributes,
        )
