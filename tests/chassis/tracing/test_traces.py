"""Tracing in processes of their own: its state is the process's."""

import secrets
import subprocess
import sys

from chassis.tracing.deferred_spans import DEFERRED_MAX
from devstack.ports import free_port

from tests.collector import Collector, grown

# Of this run alone: the collector is shared with tests that send the example of the specification.
CAME_IN = f"00-{secrets.token_hex(16)}-b7ad6b7169203331-01"

BEGIN = """
import sys, time
from pathlib import Path
from chassis.tracing import traces
from chassis.grpc.call import Call, current_traceparent, enter
from chassis.grpc.observation import MethodObserver
from chassis.identity.caller import Caller
from chassis.settings import ServiceSettings
endpoint, ratio, came_in = sys.argv[1] or None, float(sys.argv[2]), sys.argv[3]
settings = ServiceSettings(
    service_key_file=Path("/x"), service_trust_dir=Path("/x"), redis_url="redis://x",
    trace_ratio=ratio, otel_exporter_otlp_endpoint=endpoint,
)
traces.setup(settings, service="stock", version="1")
"""


def run(program: str, *, endpoint: str = "", ratio: float = 0.0, came_in: str = CAME_IN) -> str:
    """Runs a program and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program, endpoint, str(ratio), came_in],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_an_endpoint_nothing_is_imported() -> None:
    run("""
assert traces.serve("work", "SERVER", came_in) is None
with traces.span("inside"):
    assert current_traceparent() == ""
assert traces.record("late", "SERVER", came_in, started_ns=0, error="x") == ""
assert not traces.enabled()
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
""")


def test_a_context_of_our_own_is_in_the_trace_that_came_in() -> None:
    run("""
ours = traces.new_traceparent(came_in)
assert ours[:36] == came_in[:36] and ours[36:52] != came_in[36:52] and ours[-2:] == "01"
assert traces.new_traceparent(came_in[:-2] + "00")[-2:] == "00"
assert traces.new_traceparent()[-2:] == "00" and len(traces.new_traceparent()) == 55
""")


def test_spans_arrive_as_a_tree_with_their_links(collector: Collector) -> None:
    run(
        """
ours = traces.new_traceparent(came_in)
span = traces.serve("GET", "SERVER", came_in, own=ours, links=(came_in,))
assert current_traceparent() == ours
with traces.span("inside", "CLIENT", {"number": 1}) as inside:
    assert current_traceparent() == inside.traceparent
    try:
        with traces.span("fails"):
            raise ValueError("the secret reason")
    except ValueError:
        pass
traces.record("delivered", "PRODUCER", inside.traceparent, started_ns=time.time_ns())
span.rename("GET /x")
span.end()
traces.shutdown()
""",
        endpoint=collector.endpoint,
    )
    (root,) = grown(collector.of(CAME_IN[3:35]))

    assert (root.span.name, root.span.kind, root.span.parent_id) == ("GET /x", "SERVER", CAME_IN[36:52])
    assert root.span.links == (CAME_IN[36:52],)
    (inside,) = root.below
    assert (inside.span.kind, inside.span.attributes) == ("CLIENT", {"number": 1})
    assert [branch.span.name for branch in inside.below] == ["fails", "delivered"]
    fails = inside.below[0].span
    assert fails.is_error
    assert fails.attributes["error.type"] == "ValueError"
    assert not [span for span in collector.spans if "secret reason" in span.text]


def test_the_ratio_decides_for_new_traces_alone(collector: Collector) -> None:
    """Of 2,000 new traces about a quarter is recorded; a caller's decision is followed whatever the ratio."""
    recorded = int(
        run(
            """
print(sum(traces.new_traceparent().endswith("1") for _ in range(2000)))
assert traces.new_traceparent(came_in).endswith("1")
assert traces.serve("unrecorded", "SERVER", came_in[:-1] + "0") is None
""",
            endpoint=collector.endpoint,
            ratio=0.25,
        )
    )

    assert 350 < recorded < 650


def test_a_failure_is_recorded_in_a_trace_that_is_not(collector: Collector) -> None:
    """One span with the outcome, in the caller's trace; what went well or was the caller's fault has none."""
    came_in = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    run(
        """
enter(Call(caller=Caller(request_id="r"), traceparent=came_in))
observer = MethodObserver("stock.v1.Stock", "Take")
for code in ("OK", "NOT_FOUND", "UNAVAILABLE"):
    observer.answered(code, 0.25)
traces.shutdown()
""",
        endpoint=collector.endpoint,
        came_in=came_in,
    )
    (span,) = collector.of(came_in[3:35])

    assert (span.name, span.parent_id, span.is_error) == ("stock.v1.Stock/Take", came_in[36:52], True)
    assert span.attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert span.ended_ns - span.started_ns >= 250_000_000


def test_a_failure_is_recorded_with_its_deferred_spans(collector: Collector) -> None:
    """What happened below what failed, the last of it, though nothing was recorded."""
    came_in = f"00-{secrets.token_hex(16)}-b7ad6b7169203331-00"
    run(
        """
from chassis.postgres.statement_spans import statement
enter(Call(caller=Caller(request_id="r"), traceparent=came_in))
observer = MethodObserver("stock.v1.Stock", "Take")
for code in ("OK", "INTERNAL"):
    assert traces.serve("stock.v1.Stock/Take", "SERVER", came_in) is None
    for number in range(99):
        with statement(f"SELECT {code}.row{number}"):
            pass
    try:
        with statement("UPDATE stock.items SET left = $1"):
            raise ValueError("the secret reason")
    except ValueError:
        pass
    observer.answered(code, 0.25)
traces.shutdown()
""",
        endpoint=collector.endpoint,
        came_in=came_in,
    )
    (root,) = grown(collector.of(came_in[3:35]))

    assert (root.span.name, root.span.is_error) == ("stock.v1.Stock/Take", True)
    assert len(root.below) == DEFERRED_MAX
    assert not [branch for branch in root.below if "SELECT OK." in branch.span.text]
    *went_well, failed = (branch.span for branch in root.below)
    assert not [span for span in went_well if span.is_error]
    assert (failed.name, failed.is_error, failed.kind) == ("UPDATE stock.items", True, "CLIENT")
    assert failed.attributes["error.type"] == "ValueError"


def test_an_exporter_that_is_down_costs_nothing() -> None:
    """Spans are dropped without delaying requests; a stop waits briefly."""
    run(
        """
started = time.monotonic()
for _ in range(5000):
    traces.serve("request", "SERVER", came_in).end()
assert time.monotonic() - started < 20
started = time.monotonic()
traces.shutdown()
assert time.monotonic() - started < 20
""",
        endpoint=f"http://127.0.0.1:{free_port()}",
    )
