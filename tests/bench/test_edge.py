"""The benchmark of the edge runs, with figures that mean something, however short and busy the moment."""

from pathlib import Path

from devstack.stack import Stack

from bench import edge, report
from bench.house import ASGI, CACHED, STARLETTE, UNCACHED, beside

NOBODY = "127.0.0.1:9"
MOMENT = edge.Plan(rounds=1, flood_seconds=0.2, stream_seconds=0.3, rate=50, warm_up=False)


def test_every_contestant_is_measured(stack: Stack, tmp_path: Path) -> None:
    """Envoy takes part where its wheel is installed (`make bench`); the others always."""
    with beside(stack, tmp_path, NOBODY) as house:
        turns = {turn.name: turn for turn in edge.run(house, MOMENT, lambda _: None)}

    assert {ASGI, STARLETTE, CACHED, UNCACHED} <= set(turns)
    assert all(turn.requests > 0 and len(turn.latencies_ms) == 15 for turn in turns.values())
    assert turns[UNCACHED].cpu_us["edge"] > turns[ASGI].cpu_us["edge"], "a call costs more than none"
    assert turns[STARLETTE].cpu_us["user-service"] > 0
    assert UNCACHED in report.table(list(turns.values()))
