"""An upgrade step by step, as the Helm chart does it, while users use the system."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from devstack.release import Release
from devstack.terminal import Terminal

from tests.faults.history import Call, History, now
from tests.faults.outcome import Outcome
from tests.faults.readers import reading
from tests.faults.system_under_load import SystemUnderLoad

USERS = 6
READS_PER_SECOND = 100.0
BESIDE_SECONDS = 2.5
"""How long both releases run side by side after each step."""


@dataclass(frozen=True)
class Step:
    """The calls that began during one step, or right after it.

    Attributes:
        name: What was done.
        calls: How many calls there were.
        failed: Those that got no answer or a 5xx.
    """

    name: str
    calls: int
    failed: Sequence[Call]


class Upgrade:
    """Takes a system from release to release.

    Args:
        stage: The system.
        terminal: Hears of progress.

    Attributes:
        steps: Everything that was done so far.
        outcomes: The outcome of each way.
    """

    def __init__(self, running: SystemUnderLoad, terminal: Terminal) -> None:
        self.steps: list[Step] = []
        self.outcomes: list[Outcome] = []
        self._running = running
        self._terminal = terminal
        self._began: list[tuple[str, float]] = []

    @contextmanager
    def under_load(self, way: str) -> Iterator[None]:
        """Lets users use the system on one way, and checks the invariants."""
        self._terminal.say(f"\n{way}")
        history = History()
        self._began = []
        with (
            self._running.concurrent_users(history, USERS),
            reading(self._running, history, READS_PER_SECOND),
        ):
            self.step("as it was", lambda: None)
            yield
        self._began.append(("", now()))
        steps = [
            _step(f"{way}: {name}", history, began, ended)
            for (name, began), (_, ended) in pairwise(self._began)
        ]
        self.steps += steps
        for call in (call for step in steps for call in step.failed):
            self._terminal.trouble(f"{call.kind} failed: {call.status} {call.code} ({call.request_id})")
        outcome = self._running.checked(way, history, now())
        for line in outcome.broken:
            self._terminal.trouble(line)
        self.outcomes.append(outcome)

    def step(self, name: str, work: Callable[[], None]) -> None:
        """Does one step, and waits a while."""
        began = now()
        self._began.append((name, began))
        work()
        self._terminal.step(name, now() - began)
        time.sleep(BESIDE_SECONDS)

    def roll(self, release: Release) -> None:
        """Changes every process in its turn.

        The first of each service comes before any second one, so that calls go all ways:
        from old to new, from new to old.
        """
        stack = self._running.stack
        firsts_first = sorted(stack.services, key=lambda name: name != stack.services[name].service.name)
        for name in firsts_first:
            self.step(f"{name} to {release.name}", partial(stack.change_release, name, release))

    def table(self) -> str:
        """Returns the calls and failures of each step, as a table."""
        lines = ["| step | calls | failed reads | failed writes |", "|---|---|---|---|"]
        for step in self.steps:
            reads = sum(call.kind == "read" for call in step.failed)
            lines.append(f"| {step.name} | {step.calls} | {reads} | {len(step.failed) - reads} |")
        return "\n".join(lines)


def _step(name: str, history: History, began: float, ended: float) -> Step:
    calls = history.where(lambda call: began <= call.began < ended)
    return Step(name, len(calls), [call for call in calls if call.failed])
