"""Traces: W3C context always, OpenTelemetry only where an endpoint is set."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from chassis.grpc.call import current_call

_OFF: AbstractContextManager[None] = nullcontext()
_tracer: Any = None


class TraceSettings(Protocol):
    """The settings that tracing reads."""

    @property
    def otel_exporter_otlp_endpoint(self) -> str | None:
        """Where traces go; None turns tracing off."""

    @property
    def trace_ratio(self) -> float:
        """Share of the traces begun here that are recorded, 0 to 1."""


def setup(settings: TraceSettings, *, service: str, version: str) -> None:
    """Turns tracing on when an endpoint is set; otherwise OpenTelemetry is not even imported.

    A caller's decision to record is followed. Spans are exported in the background by a
    bounded queue: an exporter that is down costs spans, never requests.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return
    from opentelemetry import trace  # noqa: PLC0415 - 25 MB that most installations do not need
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    endpoint = settings.otel_exporter_otlp_endpoint
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.version": version}),
        sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=2)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=2048, export_timeout_millis=2000))
    trace.set_tracer_provider(provider)
    global _tracer  # noqa: PLW0603 - one tracer a process, set once at start
    _tracer = provider.get_tracer("vestibule")


def shutdown() -> None:
    """Sends what is queued, for at most the exporter's timeout. Blocks: call it in a thread."""
    if _tracer is None:
        return
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def enabled() -> bool:
    """Says whether spans are recorded at all."""
    return _tracer is not None


def span(name: str, **attributes: str | float | bool) -> AbstractContextManager[None]:
    """Records the block as a span, child of the present one or of the incoming trace context."""
    if _tracer is None:
        return _OFF
    return _recorded(name, attributes)


def current_traceparent() -> str:
    """Returns the trace context to send on: our span's when there is one, else what came in."""
    if _tracer is None:
        return _incoming()
    from opentelemetry import trace  # noqa: PLC0415

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return _incoming()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


@contextmanager
def _recorded(name: str, attributes: dict[str, Any]) -> Iterator[None]:
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    parent = None
    if not trace.get_current_span().get_span_context().is_valid and _incoming():
        parent = TraceContextTextMapPropagator().extract({"traceparent": _incoming()})
    with _tracer.start_as_current_span(name, context=parent, attributes=attributes):
        yield


def _incoming() -> str:
    call = current_call()
    return call.traceparent if call is not None else ""
