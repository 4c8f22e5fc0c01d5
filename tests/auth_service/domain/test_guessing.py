"""How long answers are held back."""

from auth_service.domain.guessing import delay_seconds


def test_the_delay_grows_and_ends() -> None:
    """Nothing for what one client alone may do; ten seconds at most."""
    assert [delay_seconds(failures) for failures in (0, 5, 6, 10, 25, 1_000)] == [0, 0, 0.5, 2.5, 10, 10]
