"""A collector of traces: OTLP over gRPC, as a real one speaks it, with the spans kept for the tests."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

WAIT_SECONDS = 40.0


@dataclass(frozen=True)
class Span:
    """A span as it came.

    Attributes:
        service: Which service recorded it.
        trace_id: Of its trace, in hex.
        span_id: Its own, in hex.
        parent_id: Of its parent, in hex; empty at the root.
        name: Its name.
        kind: SERVER, CLIENT and so on.
        attributes: What it notes.
        links: The spans it is linked to, in hex.
        is_error: Whether it failed.
        started_ns: When it began.
        ended_ns: When it ended.
        text: Everything it says, for searching.
    """

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    attributes: dict[str, Any]
    links: tuple[str, ...]
    is_error: bool
    started_ns: int
    ended_ns: int
    text: str


@dataclass
class Branch:
    """A span and what happened below it, in the order of beginning."""

    span: Span
    below: list["Branch"] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The span in a line: `auth-service: INSERT auth.outbox`."""
        return f"{self.span.service}: {self.span.name}"

    def find(self, label: str) -> "Branch":
        """Returns the first branch of that label, here or below.

        Raises:
            LookupError: there is none.
        """
        for branch in self.walk():
            if branch.label == label:
                return branch
        raise LookupError(f"{label} is not in\n{self.drawn()}")

    def walk(self) -> Iterable["Branch"]:
        """Yields this and all below."""
        yield self
        for branch in self.below:
            yield from branch.walk()

    def drawn(self, depth: int = 0) -> str:
        """Returns the tree as text."""
        seconds = (self.span.ended_ns - self.span.started_ns) / 1e9
        mark = " !" if self.span.is_error else ""
        link = " ~" if self.span.links else ""
        line = f"{'  ' * depth}{self.label}  {seconds * 1000:.1f} ms{mark}{link}"
        return "\n".join([line, *(branch.drawn(depth + 1) for branch in self.below)])


class Collector:
    """Takes spans on a free port during its block."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._server = grpc.server(ThreadPoolExecutor(2, thread_name_prefix="collector"))
        add_TraceServiceServicer_to_server(_Servicer(self.spans), self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def endpoint(self) -> str:
        """Where it is, for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(0).wait()

    def of(self, trace_id: str) -> list[Span]:
        """Returns what has come of a trace, in the order of beginning."""
        return sorted(
            (span for span in list(self.spans) if span.trace_id == trace_id), key=lambda span: span.started_ns
        )

    def wait_for(self, trace_id: str, complete: Callable[[list[Span]], bool]) -> list[Span]:
        """Waits until a trace is complete and returns it."""
        self.wait_until(lambda: complete(self.of(trace_id)), lambda: self.of(trace_id))
        return self.of(trace_id)

    def tree(self, trace_id: str, *expected: str) -> Branch:
        """Waits until a trace has these labels and is one tree, and returns it."""
        self.wait_for(trace_id, lambda spans: _whole(grown(spans), expected))
        (root,) = grown(self.of(trace_id))
        return root

    def wait_until(
        self, condition: Callable[[], bool], meanwhile: Callable[[], list[Span]] | None = None
    ) -> None:
        """Waits for spans that make a condition true, for as long as a busy machine may take."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            spans = meanwhile() if meanwhile else []
            labels = "\n".join(f"{span.service}: {span.name}" for span in spans)
            assert time.monotonic() < deadline, f"spans are missing; there are:\n{labels}"
            time.sleep(0.1)


def grown(spans: list[Span]) -> list[Branch]:
    """Returns the trees that spans make: one, when each but the first has its parent among them."""
    branches = {span.span_id: Branch(span) for span in spans}
    roots: list[Branch] = []
    for span in spans:
        parent = branches.get(span.parent_id)
        (roots if parent is None else parent.below).append(branches[span.span_id])
    return roots


def _whole(roots: list[Branch], expected: Iterable[str]) -> bool:
    return len(roots) == 1 and {branch.label for branch in roots[0].walk()} >= set(expected)


class _Servicer(TraceServiceServicer):
    def __init__(self, spans: list[Span]) -> None:
        self._spans = spans

    def Export(  # noqa: N802 gRPC's name
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        del context
        for resource in request.resource_spans:
            service = str(_attributes(resource.resource.attributes)["service.name"])
            for scope in resource.scope_spans:
                self._spans.extend(_span(service, span) for span in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


def _span(service: str, span: WireSpan) -> Span:
    return Span(
        service=service,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        attributes=_attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        text=str(span),
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
