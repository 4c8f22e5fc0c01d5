"""Damping: turns single results of checks into a stable state.

A change is confirmed by several equal results in a row. A component that changes too often is
flapping, by the rule of Nagios: the share of changes among the last 21 results, newer ones weighing
more, with one threshold to enter and a lower one to leave.
"""

from chassis.dataclass import dataclass

from health_aggregator.domain.state import State

TRANSITIONS = 20  # among 21 results
_MASK = (1 << TRANSITIONS) - 1
# Bit 0 is the newest transition: 1.2 for it, 0.8 for the oldest, 1 on average.
_WEIGHTS = tuple(1.2 - 0.4 * index / (TRANSITIONS - 1) for index in range(TRANSITIONS))


@dataclass(frozen=True, slots=True)
class DampingRules:
    """How fast a component's state changes.

    Attributes:
        failures_to_down: Failures in a row that make an `up` component `down`.
        successes_to_up: Successes in a row that make a `down` component `up`.
        result_share: Share of changed results at which a component flaps; catches fast alternation.
        confirmed_share: Share of changed confirmed results at which it flaps; catches slow alternation.
        calm_ratio: Flapping ends when both shares are below their threshold times this.
        failures_to_end_flapping: Failures in a row that make a flapping component `down`.
    """

    failures_to_down: int = 3
    successes_to_up: int = 2
    result_share: float = 0.5
    confirmed_share: float = 0.25
    calm_ratio: float = 0.5
    failures_to_end_flapping: int = 6


@dataclass(frozen=True, slots=True)
class Damped:
    """The damped state of one component.

    Attributes:
        state: The state.
        confirmed: The last confirmed result; None before the first.
        success: The last result; None before the first.
        run: How many equal results came in a row.
        results_changed: One bit for each of the last 20 pairs of results, the newest lowest: they differed.
        confirmed_changed: The same for confirmed results.
    """

    state: State = State.UNKNOWN
    confirmed: bool | None = None
    success: bool | None = None
    run: int = 0
    results_changed: int = 0
    confirmed_changed: int = 0


def step(before: Damped, rules: DampingRules, *, success: bool) -> Damped:
    """Returns the damped state after one more result."""
    result_changed = before.success is not None and before.success is not success
    run = 1 if result_changed or before.success is None else before.run + 1
    confirmed = _confirmed(before.confirmed, rules, success=success, run=run)
    newly_confirmed = before.confirmed is not None and before.confirmed is not confirmed
    results_changed = (before.results_changed << 1 | result_changed) & _MASK
    confirmed_changed = (before.confirmed_changed << 1 | newly_confirmed) & _MASK
    flapping = _flapping(
        rules,
        was=before.state is State.FLAPPING,
        changed=result_changed or newly_confirmed,
        result_share=weighted_share(results_changed),
        confirmed_share=weighted_share(confirmed_changed),
    )
    if flapping and not success and run >= rules.failures_to_end_flapping:
        flapping = False  # It is down, and flapping must not hide that.
    state = State.FLAPPING if flapping else _state(confirmed, success=success)
    return Damped(state, confirmed, success, run, results_changed, confirmed_changed)


def weighted_share(changes: int) -> float:
    """Returns the share of set bits, from 0 to 1, newer ones weighing more."""
    if not changes:
        return 0.0
    return sum(weight for index, weight in enumerate(_WEIGHTS) if changes >> index & 1) / TRANSITIONS


def _confirmed(confirmed: bool | None, rules: DampingRules, *, success: bool, run: int) -> bool | None:  # noqa: FBT001
    if success:
        # A component that was never down needs no confirmation that it is up.
        return True if confirmed is None or run >= rules.successes_to_up else confirmed
    return False if run >= rules.failures_to_down else confirmed


def _state(confirmed: bool | None, *, success: bool) -> State:  # noqa: FBT001
    match confirmed, success:
        case None, _:
            return State.UNKNOWN
        case True, True:
            return State.UP
        case True, False:
            return State.SUSPECT
        case False, True:
            return State.RECOVERING
        case _:
            return State.DOWN


def _flapping(
    rules: DampingRules, *, was: bool, changed: bool, result_share: float, confirmed_share: float
) -> bool:
    if was:
        return (
            result_share >= rules.result_share * rules.calm_ratio
            or confirmed_share >= rules.confirmed_share * rules.calm_ratio
        )
    # Only a change can start flapping, not the window alone.
    return changed and (result_share >= rules.result_share or confirmed_share >= rules.confirmed_share)
