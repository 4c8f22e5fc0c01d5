"""The schedule: short delays to confirm a change, long ones while down, and jitter."""

from health_aggregator.domain.built_in_targets import built_in_targets
from health_aggregator.domain.damping import Damped, DampingRules, step
from health_aggregator.domain.schedule import next_delay_seconds, phase_seconds, stale_after_seconds
from health_aggregator.domain.state import State
from health_aggregator.domain.target import Cadence
from hypothesis import given
from hypothesis import strategies as st

CADENCE = Cadence(interval_seconds=1.0, confirm_seconds=0.15, backoff_limit=3.0)
RULES = DampingRules()


def delay(*results: bool, chance: float = 0.5, cadence: Cadence = CADENCE) -> float:
    """Returns the delay after some results."""
    damped = Damped()
    for success in results:
        damped = step(damped, RULES, success=success)
    return next_delay_seconds(cadence, damped, down_threshold=RULES.failures_to_down, chance=chance)


def test_an_unconfirmed_change_is_checked_soon() -> None:
    """A first failure, and a first success after failures, are checked again soon."""
    assert delay(True) == 1.0
    assert delay(True, False) == 0.15
    assert delay(False) == 0.15
    assert delay(False, False, False, True) == 0.15


def test_delays_grow_while_down() -> None:
    """Up to the limit."""
    delays = [delay(*[False] * count) for count in range(3, 60)]

    assert sorted(delays) == delays
    assert (delays[0], delays[-1]) == (1.0, 3.0)


def test_a_service_that_is_down_is_checked_twice_per_second() -> None:
    """Nothing reports its return; while it is up, a connection reports its end."""
    (target,) = (each for each in built_in_targets({"user-service": {}}) if each.name == "user-service")
    delays = {delay(*[False] * count, cadence=target.cadence) for count in range(RULES.failures_to_down, 60)}

    assert delays == {0.5}
    assert delay(True, cadence=target.cadence) == 4.0


@given(results=st.lists(st.booleans(), min_size=1, max_size=40), chance=st.floats(0, 1))
def test_delays_are_bounded(results: list[bool], chance: float) -> None:
    """They lie between the confirmation and the longest back-off, with jitter."""
    assert 0.15 * 0.89 <= delay(*results, chance=chance) <= 3.0 * 1.11


@given(name=st.text(max_size=30), period=st.floats(0.1, 100))
def test_each_target_has_its_offset(name: str, period: float) -> None:
    """It lies within the period and is the same in every process."""
    assert 0 <= phase_seconds(name, period) <= period
    assert phase_seconds(name, period) == phase_seconds(name, period)


def test_stale_is_later_than_any_planned_check() -> None:
    """A component that is checked on schedule never becomes stale."""
    up = Damped(state=State.UP, success=True)
    down = Damped(state=State.DOWN, success=False)

    assert stale_after_seconds(CADENCE, up) > 1.1 + 1.0
    assert stale_after_seconds(CADENCE, down) > 3.3 + 1.0
