"""Series for the alerts of the objectives."""

from tests.observability.making import Expected, Made, Series


def requests(*, failed: str, good: str) -> Series:
    """Returns the gateway's request counters."""
    labels = 'route="/api/users/me", method="GET"'
    return {
        f'http_server_requests_total{{{labels}, status="200"}}': good,
        f'http_server_requests_total{{{labels}, status="503"}}': failed,
        # Neither 503 of the system's health nor a stream counts as a request here.
        'http_server_requests_total{route="/api/health", method="GET", status="503"}': "0+999x480",
    }


def reads(*, slow: str, every: str, quick: str) -> Series:
    """Returns the durations of reads; `every` = `slow` + `quick`."""
    labels = 'route="/api/users/me", method="GET"'
    return {
        f'http_server_request_duration_seconds_bucket{{{labels}, le="0.25"}}': quick,
        f'http_server_request_duration_seconds_bucket{{{labels}, le="0.5"}}': every,
        f"http_server_request_duration_seconds_count{{{labels}}}": every,
        # Writes may take longer.
        'http_server_request_duration_seconds_count{route="/api/auth/login", method="POST"}': slow,
    }


def burning(window: str, factor: str, share: str, trouble: str, severity: str) -> Expected:
    """Returns the labels of a burn-rate alert."""
    return {
        "severity": severity,
        "window": window,
        "summary": (
            f"{share} of the responses are bad: {trouble}, "
            f"{factor} times faster than the budget of 30 days allows."
        ),
    }


FAIL, SLOW = "requests fail", "reads take longer than 250 ms"

OBJECTIVES: tuple[Made, ...] = (
    Made(
        "VestibuleAvailabilityBurnsFast",
        requests(good="0+98x65", failed="0+2x65"),
        [burning("1h", "14.4", "2%", FAIL, "critical"), burning("6h", "6", "2%", FAIL, "critical")],
        [
            requests(good="0+998x65", failed="0+2x65"),
            # The incident is over: the long window still has it, the short one does not.
            requests(good="0+98x100", failed="0+2x60 120x40"),
        ],
        at="1h",
        silent_at="100m",
    ),
    Made(
        "VestibuleAvailabilityBurnsFast",
        requests(good="0+995x65", failed="0+5x65"),
        [burning("6h", "6", "0.5%", FAIL, "critical")],
        at="1h",
    ),
    Made(
        "VestibuleAvailabilityBurnsSlow",
        requests(good="0+998x65", failed="0+2x65"),
        [burning("1d", "3", "0.2%", FAIL, "warning"), burning("3d", "1", "0.2%", FAIL, "warning")],
        [requests(good="0+9998x480", failed="0+2x480"), requests(good="0+98x480", failed="0+2x60 120x420")],
        at="1h",
        silent_at="8h",
    ),
    Made(
        "VestibuleAvailabilityBurnsSlow",
        requests(good="0+999x65", failed="0+1x65"),
        [burning("3d", "1", "0.1%", FAIL, "warning")],
        at="1h",
    ),
    Made(
        "VestibuleReadLatencyBurnsFast",
        reads(every="0+100x65", quick="0+80x65", slow="0+20x65"),
        [burning("1h", "14.4", "20%", SLOW, "critical"), burning("6h", "6", "20%", SLOW, "critical")],
        [
            reads(every="0+100x65", quick="0+95x65", slow="0+5x65"),
            reads(every="0+100x100", quick="0+80x60 4900+100x40", slow="0+20x60"),
        ],
        at="1h",
        silent_at="100m",
    ),
    Made(
        "VestibuleReadLatencyBurnsFast",
        reads(every="0+100x65", quick="0+90x65", slow="0+10x65"),
        [burning("6h", "6", "10%", SLOW, "critical")],
        at="1h",
    ),
    Made(
        "VestibuleReadLatencyBurnsSlow",
        reads(every="0+100x65", quick="0+95x65", slow="0+5x65"),
        [burning("1d", "3", "5%", SLOW, "warning"), burning("3d", "1", "5%", SLOW, "warning")],
        [
            reads(every="0+1000x480", quick="0+995x480", slow="0+5x480"),
            reads(every="0+100x480", quick="0+80x60 4900+100x420", slow="0+20x60"),
        ],
        at="1h",
        silent_at="8h",
    ),
    Made(
        "VestibuleReadLatencyBurnsSlow",
        reads(every="0+100x65", quick="0+98x65", slow="0+2x65"),
        [burning("3d", "1", "2%", SLOW, "warning")],
        at="1h",
    ),
)
