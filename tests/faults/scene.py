"""A house with two of each service, in which a fault happens while people use it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from devstack.stack import Stack

from tests.faults import judgement
from tests.faults.crowd import Crowd
from tests.faults.history import Call, History, now
from tests.faults.outcome import Outcome
from tests.faults.wires import Wires
from tests.system.house import House

MEMBERS = 6
BEFORE_SECONDS = 1.0
AFTER_SECONDS = 3.0


class Scene:
    """A running house, its wires, and what may happen to it.

    Attributes:
        outcomes: What became of the calls, for each fault so far.
        figures: What else was measured.
    """

    def __init__(self, stack: Stack, wires: Wires) -> None:
        self.stack = stack
        self.wires = wires
        self.house = House(stack)
        self.outcomes: list[Outcome] = []
        self.figures: dict[str, str] = {}
        self._crowds = 0

    def suffer(
        self, name: str, fault: Callable[["Scene"], AbstractContextManager[None]], seconds: float
    ) -> Outcome:
        """Lets people use the house while a fault lasts, and judges what they saw.

        Args:
            name: What to call the fault.
            fault: Makes it, and mends it in the end.
            seconds: How long it lasts.
        """
        history = History()
        with self.crowd(history, MEMBERS):
            time.sleep(BEFORE_SECONDS)
            with fault(self):
                time.sleep(seconds)
            mended = now()
            time.sleep(AFTER_SECONDS)
        return self.judged(name, history, mended)

    def crowd(self, history: History, size: int) -> Crowd:
        """Returns people who have not been here before."""
        first, self._crowds = self._crowds, self._crowds + size
        return Crowd(self.stack.base_urls, history, size, first=first)

    def judged(self, name: str, history: History, mended: float) -> Outcome:
        """Holds a history against every rule, once all events have been delivered."""
        self._await_outboxes()
        failed = history.where(lambda call: call.failed)
        broken = [
            *judgement.everybody_can_sign_in(history, self.stack.base_url),
            *judgement.changes_are_read_back(history),
            *judgement.tokens_have_one_successor(history),
            *judgement.nobody_gets_in_after_leaving(history),
            *judgement.nobody_is_logged_out(history),
            *judgement.nothing_unexpected_is_answered(history),
            *judgement.the_trail_is_whole(history, self.house),
            *self._chain(),
        ]
        outcome = Outcome(
            fault=name,
            calls=len(history),
            failed_reads=sum(_is_read(call) for call in failed),
            failed_writes=sum(not _is_read(call) for call in failed),
            recovered_seconds=history.recovered_after(mended),
            broken=tuple(broken),
        )
        self.outcomes.append(outcome)
        return outcome

    def tell(self, name: str, figure: str) -> None:
        """Notes a figure for the report."""
        self.figures[name] = figure

    def _await_outboxes(self) -> None:
        deadline = time.monotonic() + 30
        waiting = (
            "SELECT (SELECT count(*) FROM auth.outbox WHERE published_at IS NULL)"
            " + (SELECT count(*) FROM users.outbox WHERE published_at IS NULL)"
        )
        while self.house.rows(waiting) != [(0,)]:
            assert time.monotonic() < deadline, "events are still waiting in an outbox"
            time.sleep(0.1)
        # The last of them are on their way from the stream to the trail.
        time.sleep(1.0)

    def _chain(self) -> list[str]:
        trail = judgement.verified_trail(self.stack.base_url, *self.stack.admin)
        return [] if trail["intact"] else [f"the audit chain is broken: {trail}"]


def _is_read(call: Call) -> bool:
    return call.does == "read"
