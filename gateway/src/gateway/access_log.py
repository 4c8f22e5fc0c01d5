"""One log line, one observation and one span per request, by route: never a query, a body or a token."""

import time

import orjson
import structlog
from chassis.logs import json_lines
from chassis.metrics import LATENCY_BUCKETS
from chassis.tracing import traces
from prometheus_client import Counter, Gauge, Histogram

from gateway.http.request import Request

log = structlog.get_logger()

UNKNOWN_ROUTE = "(unknown)"
_QUIET = frozenset({"/health", "/ready", "/metrics"})
_SERVER_ERROR = 500

_REQUESTS = Counter("http_server_requests_total", "Requests answered.", ["route", "method", "status"])
_DURATION = Histogram(
    "http_server_request_duration_seconds",
    "From the request's head to the end of the response.",
    ["route", "method"],
    buckets=LATENCY_BUCKETS,
)
_ACTIVE = Gauge("http_server_active_requests", "Requests being answered, streams among them.")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class AccessLog:
    """Logs and measures every request when it is answered."""

    def __init__(self) -> None:
        # Finding a labelled series costs more than counting on it.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}
        self._active = 0
        _ACTIVE.set_function(lambda: self._active)

    def begin(self) -> None:
        """Counts a request as active; `write` ends that."""
        self._active += 1

    def write(self, request: Request, status: int) -> None:
        """Writes the line, counts, and ends the span; a failed request always gets a span."""
        self._active -= 1
        seconds = time.perf_counter() - request.started
        route = request.route or UNKNOWN_ROUTE
        method = request.method if request.method in _METHODS else "OTHER"
        counter = self._counters.get((route, method, status))
        if counter is None:
            counter = self._counters[route, method, status] = _REQUESTS.labels(route, method, str(status))
        counter.inc()
        histogram = self._histograms.get((route, method))
        if histogram is None:
            histogram = self._histograms[route, method] = _DURATION.labels(route, method)
        recorded = _end_span(request, method, route, status) if traces.enabled() else ""
        histogram.observe(seconds, traces.exemplar(recorded))
        if route in _QUIET:
            return
        lines = json_lines()
        level = "warning" if status >= _SERVER_ERROR else "info"
        if lines is not None:
            lines.write(_json_fields(request, method, route, status, seconds), level)
            return
        getattr(log, level)(
            "request",
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 3),
            request_id=request.request_id,
            client=request.client_address,
            **_identity(request),
            **_stream(request),
        )


def _end_span(request: Request, method: str, route: str, status: int) -> str:
    """Ends the request's span, or records one for a failure; returns its trace context, or nothing."""
    name, error = f"{method} {route}", str(status) if status >= _SERVER_ERROR else ""
    attributes: dict[str, str | int | float | bool] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "vestibule.request_id": request.request_id,
    }
    if request.stream is not None:
        attributes["vestibule.stream.end"] = request.stream.end
        attributes["vestibule.stream.received"] = request.stream.received
        attributes["vestibule.stream.sent"] = request.stream.sent
    span = request.span
    if span is not None:
        span.rename(name)
        for key, value in attributes.items():
            span.note(key, value)
        if error:
            span.fail(error)
        span.end()
        return span.traceparent
    if not error:
        return ""
    return traces.record(
        name,
        "SERVER",
        request.caller_traceparent,
        own=request.traceparent,
        started_ns=traces.since(time.perf_counter() - request.started),
        error=error,
        attributes=attributes,
    )


def _json_fields(request: Request, method: str, route: str, status: int, seconds: float) -> str:
    """Returns the fields of a line as JSON, concatenated.

    Only the client's address needs escaping (an IPv6 zone is any text): methods and routes come from fixed
    lists, and the other values were validated when the request was read.
    """
    identity = f',"trace_id":"{request.traceparent[3:35]}"' if request.traceparent else ""
    if request.claims is not None:
        identity = f'{identity},"user_id":"{request.claims.user_id}"'
    if request.stream is not None:
        stream = request.stream
        identity = f'{identity},"end":"{stream.end}","received":{stream.received},"sent":{stream.sent}'
    return (
        f'"event":"request","method":"{method}","route":"{route}","status":{status}'
        f',"duration_ms":{seconds * 1000:.3f},"request_id":"{request.request_id}"'
        f',"client":{orjson.dumps(request.client_address).decode()}{identity}'
    )


def _identity(request: Request) -> dict[str, str]:
    known = {"trace_id": request.traceparent[3:35]} if request.traceparent else {}
    if request.claims is not None:
        known["user_id"] = str(request.claims.user_id)
    return known


def _stream(request: Request) -> dict[str, str | int]:
    stream = request.stream
    return {} if stream is None else {"end": stream.end, "received": stream.received, "sent": stream.sent}
