"""A running system with users, and the check of what they saw."""

import time

from devstack.stack import Stack

from tests.faults import invariants
from tests.faults.concurrent_users import ConcurrentUsers
from tests.faults.history import Call, History
from tests.faults.outcome import Outcome
from tests.system.running_system import System

DELIVERED_SECONDS = 120.0
"""After this time an event counts as lost. When Redis has lost its data, new events wait for all that is
published again."""


class SystemUnderLoad:
    """A running system and its users.

    Attributes:
        stack: The system's parts.
        outcomes: What became of the calls, for each judgement so far.
        figures: What else was measured.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.system = System(stack)
        self.outcomes: list[Outcome] = []
        self.figures: dict[str, str] = {}
        self._users_made = 0

    def concurrent_users(self, history: History, size: int) -> ConcurrentUsers:
        """Returns new users."""
        first, self._users_made = self._users_made, self._users_made + size
        return ConcurrentUsers(self.stack.base_urls, history, size, first=first)

    def checked(self, name: str, history: History, mended: float) -> Outcome:
        """Checks a history against every invariant, once all events have been delivered."""
        delivered_seconds = self._await_delivery(history)
        failed = history.where(lambda call: call.failed)
        broken = [
            *invariants.every_registered_user_can_sign_in(history, self.stack.base_url),
            *invariants.changes_are_read_back(history),
            *invariants.tokens_have_one_successor(history),
            *invariants.no_revoked_token_is_accepted(history),
            *invariants.no_user_is_signed_out(history),
            *invariants.nothing_unexpected_is_answered(history),
            *invariants.the_trail_is_whole(history, self.system),
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

    def add_figure(self, name: str, figure: str) -> None:
        """Adds a figure to the report."""
        self.figures[name] = figure

    def _await_delivery(self, history: History) -> float:
        """Waits until no event is on its way to the audit log; returns for how long, in seconds."""
        waiting = (
            "SELECT (SELECT count(*) FROM auth.outbox WHERE published_at IS NULL)"
            " + (SELECT count(*) FROM users.outbox WHERE published_at IS NULL)"
        )
        began = time.monotonic()
        while (waited := time.monotonic() - began) < DELIVERED_SECONDS:
            if self.system.rows(waiting) == [(0,)] and not invariants.the_trail_is_whole(
                history, self.system
            ):
                break
            time.sleep(0.2)
        return waited

    def _chain(self) -> list[str]:
        trail = invariants.verified_trail(self.stack.base_url, *self.stack.admin)
        return [] if trail["intact"] else [f"the audit chain is broken: {trail}"]


def _is_read(call: Call) -> bool:
    return call.kind == "read"
