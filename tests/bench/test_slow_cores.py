"""Which moments count as slow, and which requests they concern."""

import time
from pathlib import Path

import pytest

from bench.pace import Pace
from bench.slow_cores import SlowCores, steady


def test_requests_that_a_slow_moment_concerns_are_left_out() -> None:
    requests = [
        (1.000, 0.001),  # long before
        (1.995, 0.010),  # under way
        (2.020, 0.001),  # in its aftermath
        (2.040, 0.001),  # after it
    ]
    assert steady(requests, [2.0]) == [0.001, 0.001]
    assert steady(requests, []) == [0.001, 0.010, 0.001, 0.001]


def test_moments_are_slow_that_took_several_times_the_usual(tmp_path: Path) -> None:
    log = tmp_path / "pace.log"
    usual = [f"{at / 100:.3f} {30 + at % 7}.0" for at in range(100)]
    log.write_text("\n".join([*usual[:40], "0.405 90.0", "0.406 400.0", *usual[41:], "half a li"]))
    slow, share = SlowCores([Pace(0, log)]).between(0.25, 0.75)
    assert slow == [0.406]
    assert share == pytest.approx(1 / 52, rel=0.05)


def test_cores_are_watched_all_the_time(tmp_path: Path) -> None:
    with SlowCores.watched(tmp_path, [0]) as cores:
        began = time.monotonic()
        time.sleep(0.5)
        ended = time.monotonic()
        slow, share = cores.between(began, ended)
    looks = [
        at for at, took in Pace(0, tmp_path / "slow-0.log").samples() if took > 0 and began <= at <= ended
    ]
    assert len(looks) >= 10
    assert share == pytest.approx(len(slow) / len(looks), abs=0.1)
