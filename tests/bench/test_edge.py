"""The benchmark of the edge runs, with figures that mean something, however short and busy the moment."""

from pathlib import Path

import pytest
from devstack.stack import Stack

from bench import edge, report
from bench.contestants import ASGI, BARE_SERVICE, CACHED, EDGE, SERVICE, STARLETTE, UNCACHED, beside

UNUSED_ADDRESS = "127.0.0.1:9"
MOMENT = edge.Plan(rounds=1, flood_seconds=0.2, stream_seconds=0.3, rate=50, warm_up=False)


@pytest.mark.nightly
def test_every_contestant_is_measured(stack: Stack, tmp_path: Path) -> None:
    """Envoy takes part where its wheel is installed (`make bench`); the others always."""
    with beside(stack, tmp_path, UNUSED_ADDRESS) as comparison:
        turns = {turn.name: turn for turn in edge.run(comparison, MOMENT, lambda _: None)}

    assert {ASGI, STARLETTE, BARE_SERVICE, CACHED, UNCACHED} <= set(turns)
    assert all(turn.requests > 0 and len(turn.latencies_ms) == 15 for turn in turns.values())
    assert turns[UNCACHED].cpu_us[EDGE] > turns[ASGI].cpu_us[EDGE], "a call costs more than none"
    assert turns[STARLETTE].cpu_us[SERVICE] > 0
    assert turns[BARE_SERVICE].cpu_us[SERVICE] > 0
    assert UNCACHED in report.table(list(turns.values()))


def test_a_slow_moment_is_no_slow_edge() -> None:
    """What took twice as long while everything did has the same cost."""
    quick = edge.Turn(ASGI, 1, 1.0, {EDGE: 50.0, SERVICE: 10.0}, [1.0], 0.0, 0.0, 200.0, 200.0)
    slow = edge.Turn(CACHED, 1, 1.0, {EDGE: 200.0, SERVICE: 60.0}, [1.0], 0.0, 0.0, 400.0, 600.0)

    assert report.ratios([quick, slow], CACHED, ASGI) == [2.0]
    assert report.ratios([quick, slow], CACHED, ASGI, SERVICE) == [2.0], "each by the core that it has"
