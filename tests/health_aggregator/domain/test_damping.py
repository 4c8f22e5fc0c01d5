"""Damping: a lost packet flips nothing, a real change is soon confirmed, alternation gets its name."""

from health_aggregator.domain.damping import TRANSITIONS, Damped, DampingRules, step, weighted_share
from health_aggregator.domain.state import State
from hypothesis import given
from hypothesis import strategies as st

RULES = DampingRules()
FINDINGS = st.lists(st.booleans(), max_size=80)


def feed(memory: Damped, *findings: bool) -> Damped:
    """Takes in several findings."""
    for success in findings:
        memory = step(memory, RULES, success=success)
    return memory


UP = feed(Damped(), True)
DOWN = feed(Damped(), False, False, False)


def test_first_success_is_up() -> None:
    """What was never down needs no second proof."""
    assert State.UP is UP.state


def test_first_failures_stay_unknown_until_confirmed() -> None:
    """What was never up is not suspect; it becomes down."""
    states = [feed(Damped(), *[False] * count).state for count in range(1, 4)]

    assert states == [State.UNKNOWN, State.UNKNOWN, State.DOWN]


def test_goes_down_by_way_of_suspect_and_up_by_way_of_recovering() -> None:
    """Each edge is confirmed."""
    falling = [feed(UP, *[False] * count).state for count in range(1, 4)]
    rising = [feed(DOWN, *[True] * count).state for count in range(1, 3)]

    assert falling == [State.SUSPECT, State.SUSPECT, State.DOWN]
    assert rising == [State.RECOVERING, State.UP]


@given(before=FINDINGS, after=FINDINGS)
def test_a_lone_failure_never_brings_down(before: list[bool], after: list[bool]) -> None:
    """Wherever it falls among successes, one lost packet is at most suspect."""
    calm = feed(Damped(), *[True] * TRANSITIONS, *(True for _ in before))

    lost = feed(calm, False)
    found = feed(lost, True)

    assert State.SUSPECT is lost.state
    assert State.UP is found.state
    assert State.DOWN is not feed(found, *(True for _ in after)).state


@given(findings=FINDINGS)
def test_down_only_after_a_run_of_failures(findings: list[bool]) -> None:
    """Whatever came before, `down` on a failure means that the last ones all failed."""
    memory = Damped()
    for success in findings:
        before, memory = memory, step(memory, RULES, success=success)
        if memory.state is State.DOWN and before.state is not State.DOWN and not success:
            assert memory.run >= RULES.failures_to_down or before.verdict is False


@given(findings=FINDINGS)
def test_settles_whatever_came_before(findings: list[bool]) -> None:
    """Nothing flaps for ever: equal findings end in the plain state."""
    memory = feed(Damped(), *findings)

    assert State.UP is feed(memory, *[True] * (TRANSITIONS + 1)).state
    assert State.DOWN is feed(memory, *[False] * RULES.failures_to_end_flapping).state


@given(findings=FINDINGS)
def test_up_is_only_said_after_a_success(findings: list[bool]) -> None:
    """A failed check never leaves `up` behind."""
    memory = feed(Damped(), *findings, False)

    assert State.UP is not memory.state


def test_alternation_is_flapping() -> None:
    """Fast alternation never confirms anything, and is seen all the same."""
    memory = feed(UP, *[False, True] * 6)

    assert State.FLAPPING is memory.state


def test_going_down_and_up_again_and_again_is_flapping() -> None:
    """Slow alternation confirms each time, and is seen as well."""
    memory = feed(UP, *([False] * 3 + [True] * 2) * 4)

    assert State.FLAPPING is memory.state


def test_two_restarts_are_not_flapping() -> None:
    """A service that is killed twice within the window is down twice, and up."""
    memory = feed(UP, *[True] * 5, *[False] * 4, *[True] * 6, *[False] * 4)

    assert State.DOWN is memory.state
    assert State.UP is feed(memory, True, True).state


def test_flapping_does_not_hide_what_is_down() -> None:
    """Six failures in a row are down, whatever the window says."""
    memory = feed(UP, *[False, True] * 8)

    assert State.FLAPPING is memory.state
    assert State.DOWN is feed(memory, *[False] * 6).state


def test_leaving_takes_more_calm_than_entering() -> None:
    """There are two thresholds: just below the first one it still flaps."""
    memory = feed(UP, *[False, True] * 6)

    assert State.FLAPPING is feed(memory, True, True, True).state
    assert State.UP is feed(memory, *[True] * 15).state


@given(changes=st.integers(min_value=0, max_value=2**TRANSITIONS - 1))
def test_share_lies_between_nothing_and_all(changes: int) -> None:
    """Newer changes weigh more, and all together weigh one."""
    assert 0.0 <= weighted_share(changes) <= 1.0 + 1e-9
    assert weighted_share(1) > weighted_share(1 << TRANSITIONS - 1)
