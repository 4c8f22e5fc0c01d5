"""The board: the state of every component, the one aggregate of this service.

It reads no clock. Monotonic times decide and wall-clock times are only displayed, so a jump of the
clock changes no state.
"""

from collections.abc import Iterable
from dataclasses import field
from datetime import datetime

from chassis.dataclass import dataclass

from health_aggregator.domain.causes import find_causes
from health_aggregator.domain.check import CheckResult, Outcome
from health_aggregator.domain.damping import Damped, step
from health_aggregator.domain.evaluation import ComponentState, evaluate
from health_aggregator.domain.isolation import Evidence
from health_aggregator.domain.schedule import stale_after_seconds
from health_aggregator.domain.state import Change, State, Status
from health_aggregator.domain.target import Target

ISOLATED = "cut off from everything it watches"
# A component that starts together with this process is not called down at once.
_GRACE_SECONDS = 5.0
_NO_RESULT = "no result for too long"


@dataclass(frozen=True, slots=True)
class Component:
    """A component as displayed; for the fields see `vestibule.health.v1.Component`."""

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
    damped: Damped = field(default_factory=Damped)
    result: CheckResult | None = None
    last_success: CheckResult | None = None
    last_result_at: float | None = None
    silent_since: float | None = None
    held: bool = False
    stale: bool = False

    @property
    def state(self) -> State:
        if not self.target.enabled:
            return State.DISABLED
        return State.STALE if self.stale else self.damped.state

    @property
    def degraded(self) -> bool:
        """Whether it works with a limitation; a suspect still counts as it was."""
        result = self.last_success if self.state is State.SUSPECT else self.result
        return result is not None and result.outcome is Outcome.DEGRADED


class Board:
    """Holds every component. Not thread-safe.

    Args:
        own_name: Name of the component that this process itself is.
    """

    def __init__(self, own_name: str) -> None:
        self._own_name = own_name
        self._entries: dict[str, _Entry] = {}
        self._answered_at: float | None = None
        self._sequence = 0
        self._shown: tuple[Component, ...] | None = None
        self._caused: dict[str, str] | None = None
        self._marks: dict[str, tuple[str, str]] = {}

    @property
    def sequence(self) -> int:
        """Position of the last change."""
        return self._sequence

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets, in order."""
        return tuple(entry.target for entry in self._entries.values())

    def damped(self, name: str) -> Damped:
        """Returns the damped state of a component.

        Raises:
            KeyError: no such component.
        """
        return self._entries[name].damped

    def latency_seconds(self, name: str) -> float:
        """Returns the duration of a component's last check; 0 before the first, or if unknown."""
        entry = self._entries.get(name)
        return 0.0 if entry is None or entry.result is None else entry.result.latency_seconds

    def retarget(self, targets: Iterable[Target], *, now: float, at: datetime) -> None:
        """Replaces the targets; a component of the same kind keeps its state."""
        entries = {}
        for target in targets:
            known = self._entries.get(target.name)
            if known is not None and _same_component(known.target, target):
                known.target = target
                entries[target.name] = known
            else:
                entries[target.name] = _Entry(target, since=at, created_at=now)
        self._entries = entries
        self._clear_cache()

    def record(self, name: str, result: CheckResult, *, now: float, at: datetime) -> Change | None:
        """Records a result; returns the change of state that it causes, if any.

        A result for a component that is no longer on the board is ignored.
        """
        entry = self._entries.get(name)
        if entry is None or not entry.target.enabled:
            return None
        before = entry.state
        entry.result = result
        if result.success:
            entry.last_success = result
        self._clear_cache()
        if not result.silent:
            entry.silent_since = None
            entry.held = False
            if name != self._own_name:
                self._answered_at = now
        elif entry.silent_since is None:
            entry.silent_since = now
        if self._must_wait(entry, result, now):
            entry.held = entry.damped.confirmed is not None
            return None
        entry.held = False
        entry.damped = step(entry.damped, entry.target.damping, success=result.success)
        entry.last_result_at = now
        entry.stale = False
        self._clear_cache()
        return None if entry.state is before else self._change(entry, before, at)

    def age(self, *, now: float, at: datetime) -> list[Change]:
        """Marks as stale what has had no usable result for too long; returns the changes."""
        before: dict[str, State] = {}
        for name, entry in self._entries.items():
            if not entry.target.enabled or entry.stale:
                continue
            reference = entry.created_at if entry.last_result_at is None else entry.last_result_at
            if now - reference > stale_after_seconds(entry.target.cadence, entry.damped):
                before[name] = entry.state
                entry.stale = True
        if not before:
            return []
        self._clear_cache()
        # All are marked before causes are looked for.
        return [self._change(self._entries[name], state, at) for name, state in before.items()]

    def mark_degraded(self, name: str, error: str, detail: str | None) -> None:
        """Marks a component as degraded for something that its check cannot detect.

        Args:
            name: The component.
            error: What is wrong; public.
            detail: Further text for admins; None removes the mark.
        """
        before = self._marks.pop(name, None)
        if detail is not None:
            self._marks[name] = (error, detail)
        if self._marks.get(name) != before:
            self._clear_cache()

    @property
    def is_isolated(self) -> bool:
        """Whether this process itself seems to have lost its network."""
        return self._evidence().nothing_answers and any(entry.held for entry in self._entries.values())

    def components(self) -> tuple[Component, ...]:
        """Returns every component as displayed, in the order of the targets."""
        if self._shown is None:
            self._shown = self._show()
        return self._shown

    def status(self) -> Status:
        """Returns the status of the whole system."""
        return evaluate(
            ComponentState(shown.state, shown.critical, shown.degraded) for shown in self.components()
        )

    def _clear_cache(self) -> None:
        self._shown = None
        self._caused = None

    def _must_wait(self, entry: _Entry, result: CheckResult, now: float) -> bool:
        is_new = entry.damped.confirmed is None and now - entry.created_at < _GRACE_SECONDS
        if is_new and not result.success:
            return True
        if not result.silent or entry.silent_since is None:
            return False
        last_step = entry.damped.success is False and (
            entry.damped.run + 1 >= entry.target.damping.failures_to_down
        )
        already_down = entry.damped.confirmed is False
        return last_step and not already_down and not self._evidence().proves_target_down(entry.silent_since)

    def _evidence(self) -> Evidence:
        others = [
            entry for name, entry in self._entries.items() if name != self._own_name and entry.target.enabled
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
            if self.is_isolated:
                self._caused |= {name: self._own_name for name, entry in self._entries.items() if entry.stale}
        return self._caused

    def _show(self) -> tuple[Component, ...]:
        causes, is_isolated = self._causes(), self.is_isolated
        return tuple(
            self._component(entry, causes.get(name), is_isolated=is_isolated and name == self._own_name)
            for name, entry in self._entries.items()
        )

    def _component(self, entry: _Entry, cause: str | None, *, is_isolated: bool) -> Component:
        result = entry.result
        error = result.error if result is not None else None
        if entry.stale and error is None:
            error = _NO_RESULT
        mark, mark_detail = (
            self._marks.get(entry.target.name, (None, None)) if entry.target.enabled else (None, None)
        )
        detail = result.detail if result is not None else None
        return Component(
            name=entry.target.name,
            kind=entry.target.kind,
            critical=entry.target.critical,
            state=entry.state,
            raw=_raw_state(result),
            degraded=is_isolated or mark is not None or entry.degraded,
            latency_seconds=result.latency_seconds if result is not None else None,
            since=entry.since,
            error=ISOLATED if is_isolated else error or mark,
            detail=detail or mark_detail,
            depends_on=entry.target.depends_on,
            caused_by=cause,
        )


def _same_component(one: Target, other: Target) -> bool:
    # A component that only moved to another address is still the same.
    return (one.kind, one.enabled) == (other.kind, other.enabled)


def _raw_state(result: CheckResult | None) -> State:
    if result is None:
        return State.UNKNOWN
    return State.UP if result.success else State.DOWN
