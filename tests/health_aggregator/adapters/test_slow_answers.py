"""A server that answers, but each time too late, is degraded; one pause changes nothing."""

from dataclasses import dataclass, field

import pytest
from health_aggregator.adapters.slow_answers import SLOW, SlowAnswers
from health_aggregator.domain.check import CheckResult, Outcome


@dataclass
class Server:
    """Answers after the next of `takes` seconds by its own clock, unless the check is over then."""

    outcome: Outcome = Outcome.UP
    error: str | None = None
    takes: list[float] = field(default_factory=list)
    now: float = 0.0

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Answers once."""
        seconds = self.takes.pop(0)
        self.now += min(seconds, timeout_seconds)
        if seconds >= timeout_seconds:
            raise TimeoutError
        return CheckResult(self.outcome, seconds, self.error)

    async def close(self) -> None:
        """Has nothing to close."""


async def outcomes(server: Server, *takes: float) -> list[str | None]:
    """Returns what each check reports; `timeout` for those that were given up."""
    check, server.takes, found = SlowAnswers(server, lambda: server.now), list(takes), []
    for _ in takes:
        try:
            found.append((await check(1.0)).error)
        except TimeoutError:
            found.append("timeout")
    return found


@pytest.mark.parametrize(
    ("takes", "reported"),
    [
        ([0.3] * 6, [None] * 4 + [SLOW] * 2),
        ([0.6, 5, 0.4, 5, 0.6, 5, 0.3], [None, "timeout", None, "timeout", SLOW, "timeout", SLOW]),
        ([0.002, 0.9, 0.002, 0.9, 0.002, 0.002], [None] * 6),
        ([0.2] * 8, [None] * 8),
        ([0.3] * 5 + [0.002] * 3, [None] * 4 + [SLOW] * 3 + [None]),
    ],
    ids=["always", "with timeouts", "pauses", "not as slow", "until it is fast again"],
)
async def test_most_of_the_last_checks_decide(takes: list[float], reported: list[str | None]) -> None:
    assert await outcomes(Server(), *takes) == reported


async def test_what_else_is_wrong_is_reported_first() -> None:
    """Slowness is no news of a standby, nor of what is down."""
    for outcome, error in ((Outcome.DEGRADED, "takes no writes: it is a standby"), (Outcome.DOWN, "closed")):
        assert await outcomes(Server(outcome, error), *[0.3] * 6) == [error] * 6
