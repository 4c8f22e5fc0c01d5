"""Records spans by OpenTelemetry's SDK and exports them by OTLP. Imported only if an endpoint is set."""

import logging
from collections.abc import Mapping, Sequence

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace.status import StatusCode
from prometheus_client import Counter

log = structlog.get_logger()

QUEUE_MAX = 2048
EXPORT_EVERY_MILLISECONDS = 1000
EXPORT_TIMEOUT_SECONDS = 2

_EXPORTED = Counter("trace_spans_total", "Spans sent to the collector, and those lost.", ["outcome"])
_SENT, _LOST = _EXPORTED.labels("sent"), _EXPORTED.labels("lost")
_RECORDED = TraceFlags(TraceFlags.SAMPLED)


class _Span:
    """A `Span` of OpenTelemetry."""

    __slots__ = ("_otel", "traceparent")

    def __init__(self, otel: OtelSpan) -> None:
        self._otel = otel
        context = otel.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def rename(self, name: str) -> None:
        self._otel.update_name(name)

    def note(self, key: str, value: str | float | bool) -> None:  # noqa: FBT001 a value of an attribute
        self._otel.set_attribute(key, value)

    def fail(self, error: str) -> None:
        self._otel.set_attribute("error.type", error)
        self._otel.set_status(StatusCode.ERROR)

    def end(self, ended_ns: int | None = None) -> None:
        self._otel.end(ended_ns)


class Recorder:
    """Starts spans, and exports them when they have ended."""

    def __init__(self, endpoint: str, ratio: float, *, service: str, version: str) -> None:
        """Sets up the export.

        Args:
            endpoint: The collector, as http://host:port, or https.
            ratio: Share of new traces to record, 0 to 1.
            service: Name of this service.
            version: Its version.
        """
        # It logs each failed batch; the exporter below logs only when failing starts and ends.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._bound = round(ratio * (1 << 64))
        self._ids = _PresetIds()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service, "service.version": version}),
            sampler=ALWAYS_ON,  # Spans that are not recorded do not get here.
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        exporter = _Exporter(
            OTLPSpanExporter(
                endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=EXPORT_TIMEOUT_SECONDS
            )
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter, max_queue_size=QUEUE_MAX, schedule_delay_millis=EXPORT_EVERY_MILLISECONDS
            )
        )
        self._tracer = self._provider.get_tracer("vestibule")

    def takes(self, trace_id: int) -> bool:
        """Returns whether a new trace with this id is recorded."""
        return trace_id & 0xFFFF_FFFF_FFFF_FFFF < self._bound

    def start(
        self,
        name: str,
        kind: str,
        parent: str,
        *,
        own: str = "",
        links: Sequence[str] = (),
        started_ns: int | None = None,
        attributes: Mapping[str, str | int | float | bool] | None = None,
    ) -> _Span:
        """Starts a span; `chassis.tracing.traces.serve` and `record` describe the arguments."""
        context = Context()
        if parent:
            context = set_span_in_context(NonRecordingSpan(_context(parent)), context)
        if own:
            self._ids.give(own)
        return _Span(
            self._tracer.start_span(
                name,
                context,
                SpanKind[kind],
                attributes=attributes,
                links=[Link(_context(link)) for link in links],
                start_time=started_ns,
            )
        )

    def shutdown(self) -> None:
        """Sends what is queued, for at most the exporter's timeout."""
        self._provider.shutdown()


class _PresetIds(IdGenerator):
    """Gives the next span the ids that were generated for it earlier, and are already in use."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._given = ""

    def give(self, traceparent: str) -> None:
        self._given = traceparent

    def generate_trace_id(self) -> int:
        return int(self._given[3:35], 16) if self._given else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        given, self._given = self._given, ""
        return int(given[36:52], 16) if given else self._random.generate_span_id()


class _Exporter(SpanExporter):
    """Counts sent and lost spans, and logs when losing starts and ends."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._losing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        lost = result is not SpanExportResult.SUCCESS
        (_LOST if lost else _SENT).inc(len(spans))
        if lost != self._losing:
            self._losing = lost
            if lost:
                log.warning("traces cannot be sent; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector")
            else:
                log.info("traces are sent again")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _context(traceparent: str) -> SpanContext:
    trace_id, span_id = int(traceparent[3:35], 16), int(traceparent[36:52], 16)
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_RECORDED)
