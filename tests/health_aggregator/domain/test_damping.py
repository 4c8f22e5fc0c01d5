"""Damping: a lost packet changes no state, a real change is soon confirmed, alternation is flapping."""

from health_aggregator.domain.damping import TRANSITIONS, Damped, DampingRules, step, weighted_share
from health_aggregator.domain.state import State
from hypothesis import given
from hypothesis import strategies as st

RULES = DampingRules()
RESULTS = st.lists(st.booleans(), max_size=80)


def feed(damped: Damped, *results: bool) -> Damped:
    """Returns the damped state after several results."""
    for success in results:
        damped = step(damped, RULES, success=success)
    return damped


UP = feed(Damped(), True)
DOWN = feed(Damped(), False, False, False)


def test_first_success_is_up() -> None:
    """A component that was never down needs no confirmation."""
    assert State.UP is UP.state


def test_first_failures_stay_unknown_until_confirmed() -> None:
    """A component that was never up is not suspect; it becomes down."""
    states = [feed(Damped(), *[False] * count).state for count in range(1, 4)]

    assert states == [State.UNKNOWN, State.UNKNOWN, State.DOWN]


def test_goes_down_by_way_of_suspect_and_up_by_way_of_recovering() -> None:
    """Each change is confirmed."""
    falling = [feed(UP, *[False] * count).state for count in range(1, 4)]
    rising = [feed(DOWN, *[True] * count).state for count in range(1, 3)]

    assert falling == [State.SUSPECT, State.SUSPECT, State.DOWN]
    assert rising == [State.RECOVERING, State.UP]


@given(before=RESULTS, after=RESULTS)
def test_a_lone_failure_never_brings_down(before: list[bool], after: list[bool]) -> None:
    """One failure among successes is at most suspect."""
    calm = feed(Damped(), *[True] * TRANSITIONS, *(True for _ in before))

    lost = feed(calm, False)
    found = feed(lost, True)

    assert State.SUSPECT is lost.state
    assert State.UP is found.state
    assert State.DOWN is not feed(found, *(True for _ in after)).state


@given(results=RESULTS)
def test_down_only_after_a_run_of_failures(results: list[bool]) -> None:
    """After any history, a change to `down` means that the last checks all failed."""
    damped = Damped()
    for success in results:
        before, damped = damped, step(damped, RULES, success=success)
        if damped.state is State.DOWN and before.state is not State.DOWN and not success:
            assert damped.run >= RULES.failures_to_down or before.confirmed is False


@given(results=RESULTS)
def test_becomes_stable_after_any_history(results: list[bool]) -> None:
    """Flapping ends: equal results lead to the plain state."""
    damped = feed(Damped(), *results)

    assert State.UP is feed(damped, *[True] * (TRANSITIONS + 1)).state
    assert State.DOWN is feed(damped, *[False] * RULES.failures_to_end_flapping).state


@given(results=RESULTS)
def test_never_up_after_a_failure(results: list[bool]) -> None:
    """A failed check never results in `up`."""
    damped = feed(Damped(), *results, False)

    assert State.UP is not damped.state


def test_alternation_is_flapping() -> None:
    """Fast alternation is detected although it confirms nothing."""
    damped = feed(UP, *[False, True] * 6)

    assert State.FLAPPING is damped.state


def test_repeated_outages_are_flapping() -> None:
    """Slow alternation, which confirms each change, is detected as well."""
    damped = feed(UP, *([False] * 3 + [True] * 2) * 4)

    assert State.FLAPPING is damped.state


def test_two_restarts_are_not_flapping() -> None:
    """A service that is killed twice within the window is down, then up."""
    damped = feed(UP, *[True] * 5, *[False] * 4, *[True] * 6, *[False] * 4)

    assert State.DOWN is damped.state
    assert State.UP is feed(damped, True, True).state


def test_flapping_does_not_hide_what_is_down() -> None:
    """Six failures in a row are down, even while flapping."""
    damped = feed(UP, *[False, True] * 8)

    assert State.FLAPPING is damped.state
    assert State.DOWN is feed(damped, *[False] * 6).state


def test_flapping_has_two_thresholds() -> None:
    """Just below the threshold to enter, it still flaps."""
    damped = feed(UP, *[False, True] * 6)

    assert State.FLAPPING is feed(damped, True, True, True).state
    assert State.UP is feed(damped, *[True] * 15).state


@given(changes=st.integers(min_value=0, max_value=2**TRANSITIONS - 1))
def test_weighted_share(changes: int) -> None:
    """Newer changes weigh more; all weights together are one."""
    assert 0.0 <= weighted_share(changes) <= 1.0 + 1e-9
    assert weighted_share(1) > weighted_share(1 << TRANSITIONS - 1)
