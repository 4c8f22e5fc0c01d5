"""Traces: W3C context always, OpenTelemetry only where an endpoint is set and a trace is recorded.

What is not recorded never enters OpenTelemetry, whose unrecorded spans cost as much as half a
cached read: the dice are thrown here, once a trace.
"""

import os
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Protocol

from chassis.grpc.call import current_call

_OFF: AbstractContextManager[None] = nullcontext()
_tracer: Any = None
_ratio = 0.0
_unrecorded: ContextVar[str] = ContextVar("unrecorded_trace", default="")
"""Trace context of a trace that begins here and is not recorded."""

_ODD = frozenset("13579bdf")
"""Last digits of the flags that say `recorded`."""


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
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

    endpoint = settings.otel_exporter_otlp_endpoint
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.version": version}),
        sampler=ALWAYS_ON,  # What is not to be recorded does not come so far.
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=2)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=2048, export_timeout_millis=2000))
    trace.set_tracer_provider(provider)
    global _tracer, _ratio  # noqa: PLW0603 - one tracer a process, set once at start
    _ratio = settings.trace_ratio
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


def span(name: str, *, incoming: str = "", **attributes: str | float | bool) -> AbstractContextManager[None]:
    """Records the block as a span, child of the present one or of the incoming trace context.

    Args:
        name: The span's name.
        incoming: Trace context that came with the request; that of the call being handled if empty.
        attributes: What else to note.
    """
    if _tracer is None:
        return _OFF
    if _unrecorded.get():
        return _OFF
    parent = incoming or _incoming()
    if parent:
        return _recorded(name, parent, attributes) if parent[-1] in _ODD else _OFF
    if _span_context() is not None or random.random() < _ratio:  # noqa: S311 no secret
        return _recorded(name, "", attributes)
    return _Unrecorded()


def current_traceparent() -> str:
    """Returns the trace context to send on: our span's when there is one, else what came in."""
    if _tracer is None:
        return _incoming()
    unrecorded = _unrecorded.get()
    if unrecorded:
        return unrecorded
    context = _span_context()
    if context is None:
        return _incoming()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


class _Unrecorded:
    """The beginning of a trace that is not recorded, so that nobody further on records a part of it."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        ids = os.urandom(24).hex()
        self._token: Token[str] = _unrecorded.set(f"00-{ids[:32]}-{ids[32:]}-00")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _unrecorded.reset(self._token)


@contextmanager
def _recorded(name: str, incoming: str, attributes: dict[str, Any]) -> Iterator[None]:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    parent = None
    if incoming and _span_context() is None:
        parent = TraceContextTextMapPropagator().extract({"traceparent": incoming})
    with _tracer.start_as_current_span(name, context=parent, attributes=attributes):
        yield


def _span_context() -> Any:
    """Returns the context of the present span; None when there is none."""
    from opentelemetry import trace  # noqa: PLC0415

    context = trace.get_current_span().get_span_context()
    return context if context.is_valid else None


def _incoming() -> str:
    call = current_call()
    return call.traceparent if call is not None else ""
