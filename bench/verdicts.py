"""What was asked of the system, what was measured, and whether it is reached: a line each."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure against its limit.

    Attributes:
        name: What was measured.
        values: What each round gave; the median counts.
        limit: What it is to reach.
        unit: Of both.
        at_least: Whether more is better.
        digits: How many decimals to show.
    """

    name: str
    values: Sequence[float]
    limit: float
    unit: str
    at_least: bool = False
    digits: int = 2

    @property
    def is_reached(self) -> bool:
        """Whether the median keeps to the limit."""
        middle = statistics.median(self.values)
        return middle >= self.limit if self.at_least else middle <= self.limit

    def row(self) -> str:
        """Returns the line of a Markdown table."""
        middle, least, most = (
            f"{each:.{self.digits}f}"
            for each in (statistics.median(self.values), min(self.values), max(self.values))
        )
        spread = f" ({least}-{most})" if len(self.values) > 1 else ""
        sign = "≥" if self.at_least else "≤"
        verdict = "reached" if self.is_reached else "**not reached**"
        return f"| {self.name} | {middle}{spread} {self.unit} | {sign} {self.limit:g} | {verdict} |"


def table(verdicts: Sequence[Verdict], load_before: float) -> str:
    """Returns all of them as one table, and how busy the machine was."""
    cores = len(os.sched_getaffinity(0))
    lines = ["| | measured | limit | |", "|---|---|---|---|", *(each.row() for each in verdicts), ""]
    load = os.getloadavg()[0]
    lines.append(f"Load of the machine: {load_before:.1f} before, {load:.1f} at the end, {cores} cores.")
    if load_before > cores / 2:
        lines.append(
            "**Other work ran on the machine**: ratios of one round can be compared; rates, times and"
            " latencies cannot."
        )
    return "\n".join(lines)
