"""Tracing in processes of their own: its state is the process's."""

import subprocess
import sys

from devstack.program import free_port

OFF = """
import sys
from chassis import traces
from chassis.settings import ServiceSettings
settings = ServiceSettings(service_key="k" * 32, redis_url="redis://x")
traces.setup(settings, service="s", version="1")
with traces.span("work", number=1):
    assert traces.current_traceparent() == ""
assert not traces.enabled()
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""

ON = """
import time
from chassis import traces
from chassis.grpc.call import Call, enter
from chassis.identity.caller import Caller
from chassis.settings import ServiceSettings
settings = ServiceSettings(
    service_key="k" * 32, redis_url="redis://x", trace_ratio=0.0,
    otel_exporter_otlp_endpoint="http://127.0.0.1:{port}",
)
traces.setup(settings, service="s", version="1")
assert traces.enabled()
with traces.span("not sampled"):
    assert int(traces.current_traceparent()[-2:], 16) & 1 == 0
came_in = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
enter(Call(caller=Caller(request_id="r"), traceparent=came_in))
assert traces.current_traceparent() == came_in
started = time.monotonic()
for _ in range(1000):
    with traces.span("sampled by the caller", number=1):
        ours = traces.current_traceparent()
assert time.monotonic() - started < 1
assert ours[:36] == came_in[:36] and ours[36:52] != came_in[36:52] and int(ours[-2:], 16) & 1
started = time.monotonic()
traces.shutdown()
assert time.monotonic() - started < 5
"""


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_without_an_endpoint_nothing_is_imported() -> None:
    run(OFF)


def test_spans_follow_the_caller_and_an_exporter_that_is_down_costs_nothing() -> None:
    run(ON.replace("{port}", str(free_port())))
