"""Rates, shares and quantiles computed from readings."""

import pytest
from health_aggregator.domain.service_metrics import Reading, quantile, service_metrics


def a_reading(process: str, at: float, *, requests: float = 0, failed: float = 0, **levels: float) -> Reading:
    """Returns a reading of a process."""
    totals = {"requests": requests, "failed": failed}
    slow = {0.1: requests / 2, 0.5: requests, float("inf"): requests}
    return Reading(process, at, totals, levels, slow)


def test_rates_are_summed_over_processes() -> None:
    """Over each process's own interval; a process with one reading does not count yet."""
    one = [a_reading("a", 0, requests=0), a_reading("a", 10, requests=20, failed=1)]
    other = [a_reading("b", 5, requests=100), a_reading("b", 10, requests=110, failed=2)]
    new = [a_reading("c", 10, requests=999)]
    found = service_metrics("gateway", [one[-1], other[-1], new[-1]], [one, other, new], now=10)

    assert found.processes == 3
    assert found.requests_per_second == pytest.approx(4)
    assert found.failing == pytest.approx((0.1 + 0.4) / 4)
    assert found.p50_seconds == pytest.approx(0.1)


def test_readings_before_the_window_are_ignored() -> None:
    """An earlier burst is not part of the current rate."""
    readings = [a_reading("a", 0), a_reading("a", 30, requests=900), a_reading("a", 90, requests=960)]

    assert service_metrics("gateway", readings[-1:], [readings], now=90).requests_per_second == pytest.approx(
        1
    )


def test_a_share_of_nothing_is_unknown() -> None:
    """Without requests there is neither a ratio nor a duration."""
    readings = [a_reading("a", 0), a_reading("a", 10)]
    found = service_metrics("gateway", readings[-1:], [readings], now=10)

    assert found.requests_per_second == 0
    assert (found.failing, found.p50_seconds, found.p99_seconds, found.hits) == (None, None, None, None)


def test_gauges_show_the_worst_process() -> None:
    """An average would hide a single stuck pod."""
    present = [a_reading("a", 1, outbox=3), a_reading("b", 1, outbox=40), a_reading("c", 1)]

    assert service_metrics("auth-service", present, [], now=1).levels == {"outbox": 40}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.25, 0.05), (0.5, 0.1), (0.9, 0.9), (0.99, 1.0), (1.0, 1.0)]
)
def test_quantiles_are_those_of_prometheus(share: float, expected: float) -> None:
    """Interpolated within a bucket; above the last finite bound it is that bound."""
    buckets = {0.1: 50.0, 1.0: 95.0, float("inf"): 100.0}

    assert quantile(buckets, share) == pytest.approx(expected)


def test_no_observation_has_no_quantile() -> None:
    """Neither has an empty histogram."""
    assert quantile({}, 0.5) is None
    assert quantile({0.1: 0.0, float("inf"): 0.0}, 0.5) is None
