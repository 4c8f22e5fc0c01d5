"""Traces: W3C context always, OpenTelemetry only where an endpoint is set and a trace is recorded.

Whoever begins a trace throws the dice; everybody further on follows. What is not recorded
never enters OpenTelemetry, whose unrecorded spans cost as much as half a cached read. When
it fails, each process records its own failure all the same, after the fact: one span with
the outcome, without what lies below it.
"""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from chassis.trace_recorder import Recorder

Kind = Literal["SERVER", "CLIENT", "PRODUCER", "CONSUMER", "INTERNAL"]
Attributes = Mapping[str, str | int | float | bool]

SHUTDOWN_SECONDS = 2.5
"""How long a stop waits for the last spans to be sent."""

_recorder: "Recorder | None" = None
_present: ContextVar["Span | None"] = ContextVar("span", default=None)
NOT_RECORDED: AbstractContextManager[None] = nullcontext()
"""What `span` returns where nothing is recorded."""

_ODD = frozenset("13579bdf")
"""Last digits of the flags that say `recorded`."""


class Span(Protocol):
    """A span being recorded."""

    @property
    def traceparent(self) -> str:
        """Its W3C trace context."""

    def rename(self, name: str) -> None:
        """Gives it the name that is known only by now."""

    def note(self, key: str, value: str | float | bool) -> None:  # noqa: FBT001 a value of an attribute
        """Notes an attribute: never a secret, an address or a name."""

    def fail(self, error: str) -> None:
        """Marks it as failed.

        Args:
            error: A type or code, no message: messages may hold what must not be told.
        """

    def end(self, ended_ns: int | None = None) -> None:
        """Ends it now, or at the given `time.time_ns()`."""


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
        from chassis.trace_recorder import Recorder  # noqa: PLC0415 - 25 MB that most do without

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


def present() -> "Span | None":
    """Returns the span that is being recorded here; None mostly, for most traces are not."""
    return _present.get()


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


def serve(name: str, kind: Kind, parent: str, *, own: str = "", links: tuple[str, ...] = ()) -> "Span | None":
    """Begins the span of what this process was asked to do, if its trace is recorded.

    It is the present span of this task from then on; `Span.end` ends it.

    Args:
        name: The span's name.
        kind: Who asked: SERVER or CONSUMER.
        parent: The trace context that came in; empty for none.
        own: The trace context that `own` made for it, if it did.
        links: Further trace contexts that it follows from.
    """
    if _recorder is None or (own or parent)[-1:] not in _ODD:
        return None
    span = _recorder.start(name, kind, parent, own=own, links=links)
    _present.set(span)
    return span


def span(
    name: str, kind: Kind = "INTERNAL", attributes: Attributes | None = None
) -> AbstractContextManager["Span | None"]:
    """Records the block as a child of the present span; does nothing when there is none.

    An exception that leaves the block marks the span as failed by its type: messages may hold
    what must not be told.
    """
    present = _present.get()
    if present is None or _recorder is None:
        return NOT_RECORDED
    return _Child(_recorder.start(name, kind, present.traceparent, attributes=attributes))


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
) -> str:
    """Records a span that is over; returns its trace context, empty while tracing is off.

    Args:
        name: The span's name.
        kind: Its kind.
        parent: The trace context that it belongs in; empty for a new trace.
        started_ns: When it began, by `time.time_ns()`.
        ended_ns: When it ended; now by default.
        own: The trace context that `own` made for it, if it did.
        error: What failed; empty if nothing did.
        attributes: What else to note.
    """
    if _recorder is None:
        return ""
    span = _recorder.start(name, kind, parent, own=own, started_ns=started_ns, attributes=attributes)
    if error:
        span.fail(error)
    span.end(ended_ns)
    return span.traceparent


def exemplar(traceparent: str) -> dict[str, str] | None:
    """Returns what a histogram shows beside an observation of a recorded trace; None for others."""
    return {"trace_id": traceparent[3:35]} if traceparent else None


def since(seconds: float) -> int:
    """Returns when something began that has lasted so long, by `time.time_ns()`."""
    return time.time_ns() - int(seconds * 1e9)


class _Child:
    """A block and its span."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: "Span") -> None:
        self._span = span

    def __enter__(self) -> "Span":
        self._token: Token[Span | None] = _present.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _present.reset(self._token)
        if error is not None:
            self._span.fail(str(getattr(error, "reason", "")) or type(error).__name__)
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
