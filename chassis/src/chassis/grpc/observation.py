"""Rate, errors and duration of every RPC served, by method, what streams carry, and the end of its span."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from chassis.dataclass import dataclass
from chassis.grpc.call import current_call
from chassis.metrics import LATENCY_BUCKETS
from chassis.tracing import traces

NO_ATTRIBUTES: Mapping[str, int] = {}

FAILURES = frozenset({"DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN"})
"""Codes that mean a failure of the server, not of the request."""

_HANDLED = Counter("grpc_server_handled_total", "RPCs handled.", ["service", "method", "code"])
_HANDLING = Histogram(
    "grpc_server_handling_seconds",
    "How long RPCs took; for streams, until they ended.",
    ["service", "method"],
    buckets=LATENCY_BUCKETS,
)
_STREAMS_OPEN = Gauge("grpc_server_streams_open", "Streams being answered.", ["service", "method"])
_STREAMS_OPENED = Counter(
    "grpc_server_streams_opened_total", "Streams that have been opened.", ["service", "method"]
)
_MESSAGES = Counter(
    "grpc_server_stream_messages_total",
    "Messages of streams that have ended, `received` or `sent`.",
    ["service", "method", "direction"],
)
_BYTES = Counter(
    "grpc_server_stream_bytes_total",
    "Bytes of messages of streams that have ended, `received` or `sent`.",
    ["service", "method", "direction"],
)


class MethodObserver:
    """Counts and times one method; finds its series once, not on every call."""

    def __init__(self, service: str, method: str) -> None:
        self._service = service
        self._method = method
        # Made by the first answer: a scrape of every method's durations took auth-service 20 ms.
        self._seconds: Histogram | None = None
        # Series that alerts use must exist from the start: a rate does not see a series' first value.
        self._codes = {code: _HANDLED.labels(service, method, code) for code in ("OK", "INTERNAL")}

    def answered(self, code: str, seconds: float, attributes: Mapping[str, int] = NO_ATTRIBUTES) -> None:
        """Notes one answer by the name of its status code; its span gets the further attributes."""
        counter = self._codes.get(code)
        if counter is None:
            counter = self._codes[code] = _HANDLED.labels(self._service, self._method, code)
        counter.inc()
        recorded = self._end_span(code, seconds, attributes) if traces.enabled() else ""
        if self._seconds is None:
            self._seconds = _HANDLING.labels(self._service, self._method)
        self._seconds.observe(seconds, traces.exemplar(recorded))

    def _end_span(self, code: str, seconds: float, further: Mapping[str, int]) -> str:
        """Ends the RPC's span, or records one for a failure; returns its trace context."""
        attributes: dict[str, str | int | float | bool] = {
            "rpc.system": "grpc",
            "rpc.service": self._service,
            "rpc.method": self._method,
            "rpc.response.status_code": code,
            **further,
        }
        span = traces.current_span()
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


@dataclass(slots=True)
class StreamCounts:
    """What one stream has carried so far."""

    messages_received: int = 0
    bytes_received: int = 0
    messages_sent: int = 0
    bytes_sent: int = 0

    def received(self, size: int) -> None:
        """Counts a message from the client, by its bytes."""
        self.messages_received += 1
        self.bytes_received += size

    def sent(self, size: int) -> None:
        """Counts a message to the client, by its bytes."""
        self.messages_sent += 1
        self.bytes_sent += size

    @property
    def attributes(self) -> dict[str, int]:
        """The counts of messages, for a span."""
        return {
            "rpc.messages.received": self.messages_received,
            "rpc.messages.sent": self.messages_sent,
        }


class StreamObserver:
    """Counts and times the streams of one method."""

    def __init__(self, service: str, method: str) -> None:
        self._observer = MethodObserver(service, method)
        self._open = _STREAMS_OPEN.labels(service, method)
        self._opened = _STREAMS_OPENED.labels(service, method)
        self._messages = [_MESSAGES.labels(service, method, way) for way in ("received", "sent")]
        self._bytes = [_BYTES.labels(service, method, way) for way in ("received", "sent")]

    def opened(self) -> StreamCounts:
        """Notes that a stream begins; `ended` notes that it is over."""
        self._open.inc()
        self._opened.inc()
        return StreamCounts()

    def ended(self, counts: StreamCounts, code: str, seconds: float) -> None:
        """Notes the end of a stream by the name of its status code, and what it carried."""
        self._open.dec()
        self._messages[0].inc(counts.messages_received)
        self._messages[1].inc(counts.messages_sent)
        self._bytes[0].inc(counts.bytes_received)
        self._bytes[1].inc(counts.bytes_sent)
        self._observer.answered(code, seconds, counts.attributes)
