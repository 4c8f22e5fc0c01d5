"""Traces: W3C context always, OpenTelemetry only where an endpoint is set and a trace is recorded.

Whoever begins a trace throws the dice; everybody further on follows. What is not recorded
never enters OpenTelemetry, whose unrecorded spans cost as much as half a cached read. When
it fails, each process records its own failure all the same, after the fact: a span with the
outcome, and below it what the process had noted on the way.
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
"""How long a stop waits for the last spans to be sent."""

_recorder: "Recorder | None" = None
_present: ContextVar[Span | None] = ContextVar("span", default=None)
_notes: ContextVar[list[DeferredSpan] | None] = ContextVar("notes", default=None)
"""What is noted for the case of failure, below work whose trace is not recorded."""
NOT_RECORDED: AbstractContextManager[None] = nullcontext()
"""What `span` returns where nothing is recorded."""

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


@asynccontextmanager
async def tracing(settings: TraceSettings, *, service: str, version: str) -> AsyncIterator[None]:
    """Records traces during the block when an endpoint is set; otherwise nothing is even imported.

    Spans are exported in the background by a bounded queue: an exporter that is down costs
    spans, never requests.
    """
    setup(settings, service=service, version=version)
    try:
        yield
    finally:
        await _shut_down_in_time()


def setup(settings: TraceSettings, *, service: str, version: str) -> None:
    """Turns tracing on when an endpoint is set."""
    global _recorder  # noqa: PLW0603 - one recorder a process, set once at start
    if settings.otel_exporter_otlp_endpoint:
        from chassis.tracing.recorder import Recorder  # noqa: PLC0415 - 25 MB that most do without

        _recorder = Recorder(
            settings.otel_exporter_otlp_endpoint, settings.trace_ratio, service=service, version=version
        )


def shutdown() -> None:
    """Sends what is queued, for at most the exporter's timeout. Blocks: call it in a thread."""
    if _recorder is not None:
        _recorder.shutdown()


def enabled() -> bool:
    """Says whether spans are recorded at all."""
    return _recorder is not None


def present() -> Span | None:
    """Returns the span that is being recorded here; None mostly, for most traces are not."""
    return _present.get()


def wants_spans() -> bool:
    """Says whether `span` keeps anything here: recorded at once, or noted for the case of failure."""
    return _present.get() is not None or _notes.get() is not None


def is_recorded(traceparent: str) -> bool:
    """Says whether a trace is recorded, in this process too."""
    return _recorder is not None and traceparent[-1:] in _ODD


def own(incoming: str = "") -> str:
    """Returns the context of a span of our own: in the trace that came in, or in a new one.

    Args:
        incoming: A trace context that is trusted and well formed; empty for none.
    """
    span_id = random.getrandbits(64) or 1
    if incoming:
        return f"{incoming[:36]}{span_id:016x}-{'01' if incoming[-1] in _ODD else '00'}"
    # The dice show by the trace's own number, as W3C and OpenTelemetry have it.
    trace_id = random.getrandbits(128) or 1
    flags = "01" if _recorder is not None and _recorder.takes(trace_id) else "00"
    return f"00-{trace_id:032x}-{span_id:016x}-{flags}"


def serve(name: str, kind: Kind, parent: str, *, own: str = "", links: tuple[str, ...] = ()) -> Span | None:
    """Begins the span of what this process was asked to do, if its trace is recorded.

    It is the present span of this task from then on; `Span.end` ends it. Where the trace is not
    recorded, what happens in this task is noted from then on, and told if `record` tells of a failure.

    Args:
        name: The span's name.
        kind: Who asked: SERVER or CONSUMER.
        parent: The trace context that came in; empty for none.
        own: The trace context that `own` made for it, if it did.
        links: Further trace contexts that it follows from.
    """
    if _recorder is None:
        return None
    if (own or parent)[-1:] not in _ODD:
        _notes.set([])
        return None
    span = _recorder.start(name, kind, parent, own=own, links=links)
    _present.set(span)
    return span


def span(
    name: str, kind: Kind = "INTERNAL", attributes: Attributes | None = None
) -> AbstractContextManager[Span | None]:
    """Records the block as a child of the present span; where there is none, notes it in case of failure.

    An exception that leaves the block marks the span as failed by its type: messages may hold
    what must not be told.
    """
    present = _present.get()
    if _recorder is None:
        return NOT_RECORDED
    if present is None:
        notes = _notes.get()
        return NOT_RECORDED if notes is None else DeferredSpan(notes, name, kind, attributes)
    return _Child(_recorder.start(name, kind, present.traceparent, attributes=attributes))


def begin(name: str, kind: Kind) -> Span | None:
    """Begins a child of the present span that outlives a block; None where there is no present span."""
    present = _present.get()
    return None if _recorder is None or present is None else _recorder.start(name, kind, present.traceparent)


@contextmanager
def followed(name: str, kind: Kind, cause: str, attributes: Attributes) -> Iterator[None]:
    """Records the block as what came, perhaps much later, of a span elsewhere: below it and linked to it.

    In a trace that is not recorded, it is told if an exception leaves the block.

    Args:
        name: The span's name.
        kind: Its kind.
        cause: The trace context of the span that it comes of; empty if that is not known.
        attributes: What to note.
    """
    links = (cause,) if cause else ()
    before, noted, started_ns = _present.get(), _notes.get(), time.time_ns()
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
        _present.set(before)
        _notes.set(noted)


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

    A failure takes along what was noted in this task since `serve`.

    Args:
        name: The span's name.
        kind: Its kind.
        parent: The trace context that it belongs in; empty for a new trace.
        started_ns: When it began, by `time.time_ns()`.
        ended_ns: When it ended; now by default.
        own: The trace context that `own` made for it, if it did.
        error: What failed; empty if nothing did.
        attributes: What else to note.
        links: Further trace contexts that it follows from.
    """
    if _recorder is None:
        return ""
    span = _recorder.start(
        name, kind, parent, own=own, started_ns=started_ns, attributes=attributes, links=links
    )
    if error:
        span.fail(error)
        _tell_noted(_recorder, span.traceparent)
    span.end(ended_ns)
    return span.traceparent


def _tell_noted(recorder: "Recorder", parent: str) -> None:
    notes = _notes.get()
    if notes is None:
        return
    for note in notes:
        span = recorder.start(
            note.name, note.kind, parent, started_ns=note.started_ns, attributes=note.attributes
        )
        if note.error:
            span.fail(note.error)
        span.end(note.ended_ns)
    notes.clear()


def exemplar(traceparent: str) -> dict[str, str] | None:
    """Returns what a histogram shows beside an observation of a recorded trace; None for others."""
    return {"trace_id": traceparent[3:35]} if traceparent else None


def since(seconds: float) -> int:
    """Returns when something began that has lasted so long, by `time.time_ns()`."""
    return time.time_ns() - int(seconds * 1e9)


class _Child:
    """A block and its span."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token: Token[Span | None] = _present.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _present.reset(self._token)
        if error is not None:
            self._span.fail(reason_of(error))
        self._span.end()


async def _shut_down_in_time() -> None:
    """Waits for the last spans, but not for long: the thread may go on and holds nothing up."""
    if _recorder is None:
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def work() -> None:
        shutdown()
        with suppress(RuntimeError):  # The loop has closed: nobody waits any more.
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=work, name="trace-shutdown", daemon=True).start()
    try:
        async with asyncio.timeout(SHUTDOWN_SECONDS):
            await done.wait()
    except TimeoutError:
        return
