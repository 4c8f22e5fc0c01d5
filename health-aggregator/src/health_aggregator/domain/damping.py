"""Turns a sequence of single findings into a state that does not twitch.

A change is confirmed by several findings in a row; a component that changes too often is flapping, by
the rule of Nagios: the share of changes among the last 21 findings, newer ones weighing more, with
one threshold to enter and a lower one to leave.
"""

from dataclasses import dataclass

from health_aggregator.domain.state import State

TRANSITIONS = 20  # among 21 findings
_MASK = (1 << TRANSITIONS) - 1
# Bit 0 is the newest transition: 1.2 for it, 0.8 for the oldest, 1 on average.
_WEIGHTS = tuple(1.2 - 0.4 * index / (TRANSITIONS - 1) for index in range(TRANSITIONS))


@dataclass(frozen=True, slots=True)
class DampingRules:
    """How fast a state changes.

    Attributes:
        failures_to_down: Failures in a row that make an `up` component `down`.
        successes_to_up: Successes in a row that make a `down` component `up`.
        finding_share: Share of changed findings from which on a component flaps; catches fast alternation.
        verdict_share: Share of changed verdicts from which on it flaps; catches slow alternation.
        calm_ratio: A flapping component is calm again when both shares are below their threshold times this.
        failures_to_end_flapping: Failures in a row that make even a flapping component `down`.
    """

    failures_to_down: int = 3
    successes_to_up: int = 2
    finding_share: float = 0.5
    verdict_share: float = 0.25
    calm_ratio: float = 0.5
    failures_to_end_flapping: int = 6


@dataclass(frozen=True, slots=True)
class Damped:
    """The memory of one component.

    Attributes:
        state: What it is called.
        verdict: The last confirmed finding; None before the first.
        success: The last finding; None before the first.
        run: How many equal findings came in a row.
        findings_changed: One bit for each of the last 20 pairs of findings, the newest lowest: they differed.
        verdicts_changed: The same for verdicts.
    """

    state: State = State.UNKNOWN
    verdict: bool | None = None
    success: bool | None = None
    run: int = 0
    findings_changed: int = 0
    verdicts_changed: int = 0


def step(memory: Damped, rules: DampingRules, *, success: bool) -> Damped:
    """Takes in one finding."""
    finding_changed = memory.success is not None and memory.success is not success
    run = 1 if finding_changed or memory.success is None else memory.run + 1
    verdict = _verdict(memory.verdict, rules, success=success, run=run)
    verdict_changed = memory.verdict is not None and memory.verdict is not verdict
    findings_changed = (memory.findings_changed << 1 | finding_changed) & _MASK
    verdicts_changed = (memory.verdicts_changed << 1 | verdict_changed) & _MASK
    flapping = _flapping(
        rules,
        was=memory.state is State.FLAPPING,
        changed=finding_changed or verdict_changed,
        finding_share=weighted_share(findings_changed),
        verdict_share=weighted_share(verdicts_changed),
    )
    if flapping and not success and run >= rules.failures_to_end_flapping:
        flapping = False  # it is simply down, and flapping must not hide that
    state = State.FLAPPING if flapping else _state(verdict, success=success)
    return Damped(state, verdict, success, run, findings_changed, verdicts_changed)


def weighted_share(changes: int) -> float:
    """Returns the share of set bits, from 0 to 1, newer ones weighing more."""
    if not changes:
        return 0.0
    return sum(weight for index, weight in enumerate(_WEIGHTS) if changes >> index & 1) / TRANSITIONS


def _verdict(verdict: bool | None, rules: DampingRules, *, success: bool, run: int) -> bool | None:  # noqa: FBT001
    if success:
        # A component that was never down needs no second proof that it is up.
        return True if verdict is None or run >= rules.successes_to_up else verdict
    return False if run >= rules.failures_to_down else verdict


def _state(verdict: bool | None, *, success: bool) -> State:  # noqa: FBT001
    match verdict, success:
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
    rules: DampingRules, *, was: bool, changed: bool, finding_share: float, verdict_share: float
) -> bool:
    if was:
        return (
            finding_share >= rules.finding_share * rules.calm_ratio
            or verdict_share >= rules.verdict_share * rules.calm_ratio
        )
    # Only a change can start flapping: a long window alone must not call it back.
    return changed and (finding_share >= rules.finding_share or verdict_share >= rules.verdict_share)
