"""A running house that people use, and the judges of what they saw."""

import time

from devstack.stack import Stack

from tests.faults import judgement
from tests.faults.crowd import Crowd
from tests.faults.history import Call, History
from tests.faults.outcome import Outcome
from tests.system.house import House

DELIVERED_SECONDS = 120.0
"""What is not in the trail by then is taken for lost. When Redis has lost its data, what happens waits
behind all that is published again."""


class Stage:
    """A running house, its people and its judges.

    Attributes:
        stack: The house's parts.
        outcomes: What became of the calls, for each judgement so far.
        figures: What else was measured.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.house = House(stack)
        self.outcomes: list[Outcome] = []
        self.figures: dict[str, str] = {}
        self._crowds = 0

    def crowd(self, history: History, size: int) -> Crowd:
        """Returns people who have not been here before."""
        first, self._crowds = self._crowds, self._crowds + size
        return Crowd(self.stack.base_urls, history, size, first=first)

    def judged(self, name: str, history: History, mended: float) -> Outcome:
        """Holds a history against every rule, once all events have been delivered."""
        delivered_seconds = self._await_delivery(history)
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
            delivered_seconds=delivered_seconds,
            broken=tuple(broken),
            failures=tuple(map(str, failed)),
        )
        self.outcomes.append(outcome)
        return outcome

    def tell(self, name: str, figure: str) -> None:
        """Notes a figure for the report."""
        self.figures[name] = figure

    def _await_delivery(self, history: History) -> float:
        """Waits until no event is on its way to the trail; returns for how long, in seconds."""
        waiting = (
            "SELECT (SELECT count(*) FROM auth.outbox WHERE published_at IS NULL)"
            " + (SELECT count(*) FROM users.outbox WHERE published_at IS NULL)"
        )
        began = time.monotonic()
        while (waited := time.monotonic() - began) < DELIVERED_SECONDS:
            if self.house.rows(waiting) == [(0,)] and not judgement.the_trail_is_whole(history, self.house):
                break
            time.sleep(0.2)
        return waited

    def _chain(self) -> list[str]:
        trail = judgement.verified_trail(self.stack.base_url, *self.stack.admin)
        return [] if trail["intact"] else [f"the audit chain is broken: {trail}"]


def _is_read(call: Call) -> bool:
    return call.does == "read"
