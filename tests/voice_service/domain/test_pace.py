"""How fast audio is taken in."""

import pytest
from voice_service.domain.session import Pace


def test_audio_faster_than_it_was_spoken_waits() -> None:
    """30 s at once, then four times as fast as it was spoken."""
    pace, now, waited = Pace(100.0), 100.0, 0.0
    for _ in range(900):
        wait = pace.seconds_to_wait(100, now)
        now, waited = now + wait, waited + wait

    assert waited == pytest.approx((90 - 30) / 4)


def test_audio_as_it_is_spoken_never_waits() -> None:
    pace = Pace(100.0)

    assert not any(pace.seconds_to_wait(20, 100.0 + number * 0.02) for number in range(10_000))


def test_tiny_messages_wait() -> None:
    """A flood of single samples, or of nothing, is 400 messages per second at most."""
    pace, now = Pace(100.0), 100.0
    for _ in range(7000):
        now += pace.seconds_to_wait(0, now)

    assert now - 100.0 == pytest.approx(10.0)
