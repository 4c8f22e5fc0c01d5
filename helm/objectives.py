"""Writes the rules of the service level objectives: for each its error ratios and its burn-rate alerts.

Windows and factors are those of the Google SRE workbook, chapter 5: a fast burn is worth waking
an engineer, a slow one is worth a ticket, and the short window ends an alert soon after the trouble.
"""

from dataclasses import dataclass

REQUESTS = 'route=~"/api/.+|/.well-known/.+", route!~"/api/health|/api/health/stream"'
"""What people wait for. `/api/health` answers 503 when it has something to say; a stream never ends."""

READS = f'{REQUESTS}, method="GET"'


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise about the gateway's answers over 30 days.

    Attributes:
        name: What its series are called by.
        alert: What its alerts are called by.
        target: The share of good answers that is promised.
        promise: The same in words.
        bad: Returns the rate of bad answers over a window.
        every: Returns the rate of all answers over a window.
        trouble: What goes wrong when it burns, for the summary.
    """

    name: str
    alert: str
    target: float
    promise: str
    bad: str
    every: str
    trouble: str

    @property
    def budget(self) -> float:
        """The share of answers that may be bad."""
        return round(1 - self.target, 6)

    def ratio(self, window: str) -> str:
        """Returns the share of bad answers in a window."""
        return f"({self.bad}) / {self.every}".replace("WINDOW", window)

    def record(self, window: str) -> str:
        """Returns the name of the series that records the share."""
        return f"vestibule:{self.name}:ratio_rate{window}"


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast the budget may go before an alert fires.

    Attributes:
        long: The window that says it matters.
        short: The window that says it still goes on.
        factor: How many times too fast: 1 spends a month's budget in a month.
        severity: Whom the alert reaches.
        speed: Part of the alert's name.
    """

    long: str
    short: str
    factor: float
    severity: str
    speed: str


AVAILABILITY = Objective(
    name="failed_requests",
    alert="Availability",
    target=0.9995,
    promise="99.95 % of requests are answered without a 5xx",
    bad=f'sum(rate(http_server_requests_total{{{REQUESTS}, status=~"5.."}}[WINDOW])) or vector(0)',
    every=f"sum(rate(http_server_requests_total{{{REQUESTS}}}[WINDOW]))",
    trouble="requests fail",
)
READ_LATENCY = Objective(
    name="slow_reads",
    alert="ReadLatency",
    target=0.99,
    promise="99 % of reads are answered within 250 ms",
    bad=f"sum(rate(http_server_request_duration_seconds_count{{{READS}}}[WINDOW]))"
    f' - sum(rate(http_server_request_duration_seconds_bucket{{{READS}, le="0.25"}}[WINDOW]))',
    every=f"sum(rate(http_server_request_duration_seconds_count{{{READS}}}[WINDOW]))",
    trouble="reads take longer than 250 ms",
)
OBJECTIVES = (AVAILABILITY, READ_LATENCY)

BURNS = (
    Burn("1h", "5m", 14.4, "critical", "Fast"),
    Burn("6h", "30m", 6, "critical", "Fast"),
    Burn("1d", "2h", 3, "warning", "Slow"),
    Burn("3d", "6h", 1, "warning", "Slow"),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

HEAD = "# Written by `make docs` out of helm/objectives.py.\ngroups:\n"


def rules() -> str:
    """Returns the rules as YAML."""
    return HEAD + "".join(_records(each) + _alerts(each) for each in OBJECTIVES)


def _records(objective: Objective) -> str:
    lines = [f"  - name: vestibule-{objective.name.replace('_', '-')}", "    rules:"]
    for window in WINDOWS:
        lines += [
            f"      - record: {objective.record(window)}",
            f"        expr: {objective.ratio(window)}",
        ]
    return "\n".join(lines) + "\n"


def _alerts(objective: Objective) -> str:
    lines = []
    for burn in BURNS:
        alert = f"Vestibule{objective.alert}Burns{burn.speed}"
        limit = f"{burn.factor * objective.budget:g}"
        both = " and ".join(f"{objective.record(window)} > {limit}" for window in (burn.long, burn.short))
        summary = (
            f"{{{{ $value | humanizePercentage }}}} of the responses are bad: {objective.trouble}, "
            f"{burn.factor:g} times faster than the budget of 30 days allows."
        )
        lines += [
            f"      - alert: {alert}",
            f"        expr: {both}",
            f"        for: {'2m' if burn.speed == 'Fast' else '15m'}",
            f"        labels: {{severity: {burn.severity}, window: {burn.long}}}",
            "        annotations:",
            f'          summary: "{summary}"',
            f"          runbook_url: docs/runbooks/{alert}.md",
        ]
    return "\n".join(lines) + "\n"
