"""The edge against others on the same work: rounds in turn, so that what disturbs one disturbs all."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.contestants import Comparison, Contestant
from bench.load import Stream, flood, stream
from bench.processes import cpu_seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure.

    Many short rounds: a machine that is shared changes its pace within seconds, and what is compared should
    meet the same.

    Attributes:
        rounds: How often each contestant has its turn.
        flood_seconds: For how long a turn asks for all there is.
        stream_seconds: For how long it then asks at a fixed rate.
        rate: That rate, in requests a second.
        warm_up: Whether a first round is thrown away.
    """

    rounds: int = 12
    flood_seconds: float = 1.0
    stream_seconds: float = 0.7
    rate: float = 200.0
    warm_up: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """What one contestant did in one round.

    Attributes:
        name: Who.
        requests: Answers during the flood.
        per_second: The same in a second.
        cpu_us: Microseconds of processor time for one request, by process, without its idle work.
        latencies_ms: At the fixed rate, sorted.
        client_late_p99_ms: How late the client itself was then.
        client_cpu_us: What the flood's client used for one request.
        pace_us: What the fixed piece of work took meanwhile, on the core in front.
        pace_behind_us: The same on the core of everything else.
    """

    name: str
    requests: int
    per_second: float
    cpu_us: dict[str, float]
    latencies_ms: list[float]
    client_late_p99_ms: float
    client_cpu_us: float
    pace_us: float
    pace_behind_us: float


def run(comparison: Comparison, plan: Plan, progress: Callable[[str], None]) -> list[Turn]:
    """Measures every contestant in every round; round 0 only warms up and is thrown away."""
    turns: list[Turn] = []
    for number in range(0 if plan.warm_up else 1, plan.rounds + 1):
        warming = number == 0
        token = comparison.sign_in()
        for contestant in comparison.contestants:
            turn = _turn(comparison, contestant, plan, token)
            if not warming:
                turns.append(turn)
        progress("warmed up" if warming else f"round {number} of {plan.rounds}")
    return turns


def as_json(turns: list[Turn]) -> list[dict[str, Any]]:
    """Returns the raw results as JSON can show them."""
    return [asdict(turn) for turn in turns]


def _turn(comparison: Comparison, contestant: Contestant, plan: Plan, token: str) -> Turn:
    headers = [f"Authorization: Bearer {token}", *contestant.headers]
    watched = contestant.watched(comparison.behind())
    before = {name: cpu_seconds(pid) for name, pid in watched.items()}
    began = time.monotonic()
    done = flood(contestant.url, headers, plan.flood_seconds)
    ended = time.monotonic()
    used = {
        name: cpu_seconds(pid) - before[name] - comparison.idle_seconds(pid, done.seconds)
        for name, pid in watched.items()
    }
    steady: Stream = stream(contestant.url, headers, plan.stream_seconds, plan.rate)
    return Turn(
        name=contestant.name,
        requests=done.requests,
        per_second=done.requests / done.seconds,
        cpu_us={name: seconds / done.requests * 1e6 for name, seconds in used.items()},
        latencies_ms=sorted(round(each * 1e3, 3) for each in steady.latencies_seconds),
        client_late_p99_ms=steady.late_p99_seconds * 1e3,
        client_cpu_us=done.client_cpu_seconds / done.requests * 1e6,
        pace_us=comparison.pace.microseconds(began, ended),
        pace_behind_us=comparison.pace_behind.microseconds(began, ended),
    )
