"""How long answers are held back."""

from auth_service.domain.login_throttle import ThrottleState, delay_seconds


def test_the_delay_grows_and_ends() -> None:
    """Nothing for what one client alone may do; ten seconds at most."""
    records = [ThrottleState(failures=failures) for failures in (0, 5, 6, 10, 25, 1_000)]

    assert [delay_seconds(record) for record in records] == [0, 0, 0.5, 2.5, 10, 10]


def test_the_first_try_of_a_client_hardly_waits() -> None:
    """It may be the owner's, from a client without failures."""
    assert delay_seconds(ThrottleState(failures=1_000, is_first=True)) == 1
