"""The board on which every component stands with its state: the one aggregate of this service.

Nothing here reads a clock: monotonic times decide, wall-clock times are only shown, so a clock
that jumps changes no state.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from health_aggregator.domain.causes import find_causes
from health_aggregator.domain.damping import Damped, step
from health_aggregator.domain.judgement import Standing, judge
from health_aggregator.domain.observer import Evidence
from health_aggregator.domain.schedule import stale_after_seconds
from health_aggregator.domain.state import Change, CheckResult, Outcome, State, Status
from health_aggregator.domain.target import Target

CUT_OFF = "cut off from everything it watches"
# What starts together with the observer is not called down for coming a little later.
_GRACE_SECONDS = 5.0
_NO_RESULT = "no result for too long"


@dataclass(frozen=True, slots=True)
class Component:
    """A component as it is shown. The fields mean what `vestibule.health.v1.Component` says."""

    name: str
    kind: str
    critical: bool
    state: State
    raw: State
    degraded: bool
    latency_seconds: float | None
    since: datetime
    error: str | None
    detail: str | None
    depends_on: tuple[str, ...]
    caused_by: str | None


@dataclass(slots=True)
class _Entry:
    target: Target
    since: datetime
    created_at: float
    memory: Damped = field(default_factory=Damped)
    result: CheckResult | None = None
    believed_at: float | None = None
    silent_since: float | None = None
    held: bool = False
    stale: bool = False

    @property
    def state(self) -> State:
        if not self.target.enabled:
            return State.DISABLED
        return State.STALE if self.stale else self.memory.state


class Board:
    """Holds every component. Not for several threads.

    Args:
        observer: Name of the component that the observer itself is.
    """

    def __init__(self, observer: str) -> None:
        self._observer = observer
        self._entries: dict[str, _Entry] = {}
        self._answered_at: float | None = None
        self._sequence = 0
        self._shown: tuple[Component, ...] | None = None
        self._caused: dict[str, str] | None = None
        self._blemishes: dict[str, tuple[str, str]] = {}

    @property
    def sequence(self) -> int:
        """Position of the last change."""
        return self._sequence

    @property
    def targets(self) -> tuple[Target, ...]:
        """What stands on the board."""
        return tuple(entry.target for entry in self._entries.values())

    def memory(self, name: str) -> Damped:
        """Returns the damped memory of a component.

        Raises:
            KeyError: no such component.
        """
        return self._entries[name].memory

    def latency_seconds(self, name: str) -> float:
        """Returns how long the last check of a component took; 0 before the first, or for no component."""
        entry = self._entries.get(name)
        return 0.0 if entry is None or entry.result is None else entry.result.latency_seconds

    def retarget(self, targets: Iterable[Target], *, now: float, at: datetime) -> None:
        """Takes up a new list of targets; what is still checked by the same technology keeps its state."""
        entries = {}
        for target in targets:
            known = self._entries.get(target.name)
            if known is not None and _same_component(known.target, target):
                known.target = target
                entries[target.name] = known
            else:
                entries[target.name] = _Entry(target, since=at, created_at=now)
        self._entries = entries
        self._forget()

    def record(self, name: str, result: CheckResult, *, now: float, at: datetime) -> Change | None:
        """Takes in a result; returns the change of state that it makes, if any.

        A result for a component that is no longer on the board is passed over.
        """
        entry = self._entries.get(name)
        if entry is None or not entry.target.enabled:
            return None
        before = entry.state
        entry.result = result
        self._forget()
        if not result.silent:
            entry.silent_since = None
            entry.held = False
            if name != self._observer:
                self._answered_at = now
        elif entry.silent_since is None:
            entry.silent_since = now
        if self._must_wait(entry, result, now):
            entry.held = entry.memory.verdict is not None
            return None
        entry.held = False
        entry.memory = step(entry.memory, entry.target.damping, success=result.success)
        entry.believed_at = now
        entry.stale = False
        self._forget()
        return None if entry.state is before else self._change(entry, before, at)

    def age(self, *, now: float, at: datetime) -> list[Change]:
        """Calls stale what has had no believable result for too long; returns the changes."""
        before: dict[str, State] = {}
        for name, entry in self._entries.items():
            if not entry.target.enabled or entry.stale:
                continue
            reference = entry.created_at if entry.believed_at is None else entry.believed_at
            if now - reference > stale_after_seconds(entry.target.cadence, entry.memory):
                before[name] = entry.state
                entry.stale = True
        if not before:
            return []
        self._forget()
        # All are marked before the first cause is looked for.
        return [self._change(self._entries[name], state, at) for name, state in before.items()]

    def blemish(self, name: str, error: str, detail: str | None) -> None:
        """Calls a component degraded for something that no check of it sees.

        Args:
            name: The component.
            error: What is wrong with it, in public words.
            detail: The inner story, for admins; None once nothing is wrong any more.
        """
        before = self._blemishes.pop(name, None)
        if detail is not None:
            self._blemishes[name] = (error, detail)
        if self._blemishes.get(name) != before:
            self._forget()

    @property
    def cut_off(self) -> bool:
        """Whether the observer itself seems to be cut off."""
        return self._evidence().nothing_answers and any(entry.held for entry in self._entries.values())

    def components(self) -> tuple[Component, ...]:
        """Returns every component as it is shown, in the order of the targets."""
        if self._shown is None:
            self._shown = self._show()
        return self._shown

    def status(self) -> Status:
        """Returns the judgement over all components."""
        return judge(Standing(shown.state, shown.critical, shown.degraded) for shown in self.components())

    def _forget(self) -> None:
        self._shown = None
        self._caused = None

    def _must_wait(self, entry: _Entry, result: CheckResult, now: float) -> bool:
        newborn = entry.memory.verdict is None and now - entry.created_at < _GRACE_SECONDS
        if newborn and not result.success:
            return True
        if not result.silent or entry.silent_since is None:
            return False
        last_step = entry.memory.success is False and (
            entry.memory.run + 1 >= entry.target.damping.failures_to_down
        )
        already_down = entry.memory.verdict is False
        return last_step and not already_down and not self._evidence().incriminates(entry.silent_since)

    def _evidence(self) -> Evidence:
        others = [
            entry for name, entry in self._entries.items() if name != self._observer and entry.target.enabled
        ]
        silent = sum(entry.silent_since is not None for entry in others)
        return Evidence(len(others), silent, self._answered_at)

    def _change(self, entry: _Entry, before: State, at: datetime) -> Change:
        entry.since = at
        self._sequence += 1
        name = entry.target.name
        error = entry.result.error if entry.result is not None else None
        return Change(self._sequence, name, entry.state, before, at, error, self._causes().get(name))

    def _causes(self) -> dict[str, str]:
        if self._caused is None:
            states = {name: entry.state for name, entry in self._entries.items()}
            depends_on = {name: entry.target.depends_on for name, entry in self._entries.items()}
            self._caused = find_causes(states, depends_on)
            if self.cut_off:
                self._caused |= {name: self._observer for name, entry in self._entries.items() if entry.stale}
        return self._caused

    def _show(self) -> tuple[Component, ...]:
        causes, cut_off = self._causes(), self.cut_off
        return tuple(
            self._component(entry, causes.get(name), cut_off=cut_off and name == self._observer)
            for name, entry in self._entries.items()
        )

    def _component(self, entry: _Entry, cause: str | None, *, cut_off: bool) -> Component:
        result = entry.result
        error = result.error if result is not None else None
        if entry.stale and error is None:
            error = _NO_RESULT
        blemish, blemish_detail = (
            self._blemishes.get(entry.target.name, (None, None)) if entry.target.enabled else (None, None)
        )
        detail = result.detail if result is not None else None
        return Component(
            name=entry.target.name,
            kind=entry.target.kind,
            critical=entry.target.critical,
            state=entry.state,
            raw=_raw_state(result),
            degraded=(
                cut_off or blemish is not None or (result is not None and result.outcome is Outcome.DEGRADED)
            ),
            latency_seconds=result.latency_seconds if result is not None else None,
            since=entry.since,
            error=CUT_OFF if cut_off else error or blemish,
            detail=detail or blemish_detail,
            depends_on=entry.target.depends_on,
            caused_by=cause,
        )


def _same_component(one: Target, other: Target) -> bool:
    # One that has only moved to another address is still the same.
    return (one.kind, one.enabled) == (other.kind, other.enabled)


def _raw_state(result: CheckResult | None) -> State:
    if result is None:
        return State.UNKNOWN
    return State.UP if result.success else State.DOWN
