"""Traces: W3C trace context always, OpenTelemetry spans if an endpoint is set and the trace is sampled.

The process that starts a trace samples it; all others follow its decision. Unsampled traces bypass
OpenTelemetry, whose unrecorded spans cost half a cached read. If an unsampled request fails, each process
records its part nevertheless, afterwards: a span with the failure, and the deferred spans below it.
"""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from chassis.tracing.deferred_spans import DeferredSpan, reason_of
from chassis.tracing.span import Attributes, Kind, Span

if TYPE_CHECKING:
    from chassis.tracing.recorder import Recorder

SHUTDOWN_SECONDS = 2.5
"""How long a stop waits for the last spans to be exported."""

_recorder: "Recorder | None" = None
_current: ContextVar[Span | None] = ContextVar("span", default=None)
_deferred: ContextVar[list[DeferredSpan] | None] = ContextVar("deferred", default=None)
"""The deferred spans below work whose trace is not recorded."""
NOT_RECORDED: AbstractContextManager[None] = nullcontext()
"""What `span` returns if nothing is recorded."""

_SAMPLED = frozenset("13579bdf")
"""Last digits of flags with the sampled bit."""


class TraceSettings(Protocol):
    """The settings that tracing reads."""

    @property
    def otel_exporter_otlp_endpoint(self) -> str | None:
        """The collector; None turns tracing off."""

    @property
    def trace_ratio(self) -> float:
        """Share of new traces that are recorded, 0 to 1."""


@asynccontextmanager
async def tracing(settings: TraceSettings, *, service: str, version: str) -> AsyncIterator[None]:
    """Records traces during the block if an endpoint is set; otherwise imports nothing.

    Spans are exported in the background from a bounded queue: an unreachable collector costs spans, not
    requests.
    """
    setup(settings, service=service, version=version)
    try:
        yield
    finally:
        await _shut_down_in_time()


def setup(settings: TraceSettings, *, service: str, version: str) -> None:
    """Turns tracing on if an endpoint is set."""
    global _recorder  # noqa: PLW0603 - one recorder per process, set once at start
    if settings.otel_exporter_otlp_endpoint:
        from chassis.tracing.recorder import Recorder  # noqa: PLC0415 - 4 MB that processes without tracing save

        _recorder = Recorder(
            settings.otel_exporter_otlp_endpoint, settings.trace_ratio, service=service, version=version
        )


def shutdown() -> None:
    """Exports what is queued, for at most the exporter's timeout. Blocks: call it in a thread."""
    if _recorder is not None:
        _recorder.shutdown()


def enabled() -> bool:
    """Returns whether tracing is on."""
    return _recorder is not None


def current_span() -> Span | None:
    """Returns the span being recorded; None if the trace is not recorded."""
    return _current.get()


def wants_spans() -> bool:
    """Returns whether `span` has an effect here: recorded at once, or deferred."""
    return _current.get() is not None or _deferred.get() is not None


def is_recorded(traceparent: str) -> bool:
    """Returns whether a trace is recorded in this process."""
    return _recorder is not None and traceparent[-1:] in _SAMPLED


def new_traceparent(incoming: str = "") -> str:
    """Returns the trace context of a new span: in the incoming trace, or in a new one.

    Args:
        incoming: A trusted, well-formed trace context; empty for none.
    """
    span_id = random.getrandbits(64) or 1
    if incoming:
        return f"{incoming[:36]}{span_id:016x}-{'01' if incoming[-1] in _SAMPLED else '00'}"
    # Sampled by the trace id, as W3C and OpenTelemetry specify.
    trace_id = random.getrandbits(128) or 1
    flags = "01" if _recorder is not None and _recorder.takes(trace_id) else "00"
    return f"00-{trace_id:032x}-{span_id:016x}-{flags}"


def serve(name: str, kind: Kind, parent: str, *, own: str = "", links: tuple[str, ...] = ()) -> Span | None:
    """Starts the span of a request or event that this process handles, if its trace is recorded.

    It becomes the current span of this task; `Span.end` ends it. If the trace is not recorded, later spans
    of this task are deferred, and recorded if `record` reports a failure.

    Args:
        name: The span's name.
        kind: SERVER or CONSUMER.
        parent: The incoming trace context; empty for none.
        own: The trace context that `new_traceparent` made for it, if any.
        links: Further trace contexts that it follows from.
    """
    if _recorder is None:
        return None
    if (own or parent)[-1:] not in _SAMPLED:
        _deferred.set([])
        return None
    span = _recorder.start(name, kind, parent, own=own, links=links)
    _current.set(span)
    return span


def span(
    name: str, kind: Kind = "INTERNAL", attributes: Attributes | None = None
) -> AbstractContextManager[Span | None]:
    """Records the block as a child of the current span; without one, defers it.

    An exception that leaves the block marks the span as failed, by its type or code.
    """
    current = _current.get()
    if _recorder is None:
        return NOT_RECORDED
    if current is None:
        deferred = _deferred.get()
        return NOT_RECORDED if deferred is None else DeferredSpan(deferred, name, kind, attributes)
    return _Child(_recorder.start(name, kind, current.traceparent, attributes=attributes))


def begin(name: str, kind: Kind) -> Span | None:
    """Begins a child of the current span that outlives a block; None where there is no current span."""
    current = _current.get()
    return None if _recorder is None or current is None else _recorder.start(name, kind, current.traceparent)


@contextmanager
def followed(name: str, kind: Kind, cause: str, attributes: Attributes) -> Iterator[None]:
    """Records the block as caused, perhaps much later, by a span elsewhere: its child, and linked to it.

    In a trace that is not recorded, it is recorded only if an exception leaves the block.

    Args:
        name: The span's name.
        kind: Its kind.
        cause: The causing span's trace context; empty if unknown.
        attributes: The span's attributes.
    """
    links = (cause,) if cause else ()
    before, deferred, started_ns = _current.get(), _deferred.get(), time.time_ns()
    span = serve(name, kind, cause, links=links)
    try:
        yield
    except Exception as error:
        reason = reason_of(error)
        if span is not None:
            span.fail(reason)
        else:
            record(name, kind, cause, started_ns=started_ns, error=reason, attributes=attributes, links=links)
        raise
    finally:
        if span is not None:
            for key, value in attributes.items():
                span.note(key, value)
            span.end()
        _current.set(before)
        _deferred.set(deferred)


def record(
    name: str,
    kind: Kind,
    parent: str,
    *,
    started_ns: int,
    ended_ns: int | None = None,
    own: str = "",
    error: str = "",
    attributes: Attributes | None = None,
    links: tuple[str, ...] = (),
) -> str:
    """Records a span that is over; returns its trace context, empty while tracing is off.

    A failure also records the deferred spans of this task since `serve`.

    Args:
        name: The span's name.
        kind: Its kind.
        parent: The parent's trace context; empty for a new trace.
        started_ns: When it began, by `time.time_ns()`.
        ended_ns: When it ended; now by default.
        own: The trace context that `new_traceparent` made for it, if any.
        error: The failure's code or type; empty for success.
        attributes: Further attributes.
        links: Further trace contexts that it follows from.
    """
    if _recorder is None:
        return ""
    span = _recorder.start(
        name, kind, parent, own=own, started_ns=started_ns, attributes=attributes, links=links
    )
    if error:
        span.fail(error)
        _record_deferred(_recorder, span.traceparent)
    span.end(ended_ns)
    return span.traceparent


def _record_deferred(recorder: "Recorder", parent: str) -> None:
    deferred = _deferred.get()
    if deferred is None:
        return
    for each in deferred:
        span = recorder.start(
            each.name, each.kind, parent, started_ns=each.started_ns, attributes=each.attributes
        )
        if each.error:
            span.fail(each.error)
        span.end(each.ended_ns)
    deferred.clear()


def exemplar(traceparent: str) -> dict[str, str] | None:
    """Returns a histogram's exemplar for a recorded trace; None for others."""
    return {"trace_id": traceparent[3:35]} if traceparent else None


def since(seconds: float) -> int:
    """Returns the start, by `time.time_ns()`, of something that took this long until now."""
    return time.time_ns() - int(seconds * 1e9)


class _Child:
    """A block that is recorded as a span."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token: Token[Span | None] = _current.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        if error is not None:
            self._span.fail(reason_of(error))
        self._span.end()


async def _shut_down_in_time() -> None:
    """Waits for the export of the last spans, with a timeout; the thread may outlive it."""
    if _recorder is None:
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def work() -> None:
        shutdown()
        with suppress(RuntimeError):  # The loop has closed.
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=work, name="trace-shutdown", daemon=True).start()
    try:
        async with asyncio.timeout(SHUTDOWN_SECONDS):
            await done.wait()
    except TimeoutError:
        return
