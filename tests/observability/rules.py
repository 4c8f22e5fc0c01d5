"""The alerts that the chart installs."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm" / "vestibule" / "files" / "alerts"
RUNBOOKS = ROOT / "docs" / "runbooks"

_COMPARISON = re.compile(r"^(?P<measured>.+?) (?P<operator>>|>=|<|<=|==|!=) (?P<limit>[\d.e+-]+)$", re.DOTALL)


@dataclass(frozen=True)
class Alert:
    """One alerting rule.

    Attributes:
        name: Its name; several rules may share it.
        expression: When it fires.
        rule: The whole rule.
    """

    name: str
    expression: str
    rule: dict[str, Any]

    @property
    def measured(self) -> list[str]:
        """The expression without the numbers that it is compared with.

        Raises:
            AssertionError: it is more than measurements against numbers, joined by `and`.
        """
        found = [_COMPARISON.match(part.strip()) for part in self.expression.split(" and ")]
        assert all(found), f"{self.name} does not compare measurements with numbers: {self.expression}"
        return [match["measured"] for match in found if match is not None]


def rule_files() -> list[Path]:
    """Returns the files of rules."""
    return sorted(RULES.glob("*.yaml"))


def _rules(*paths: Path) -> list[dict[str, Any]]:
    return [
        rule
        for path in paths or rule_files()
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts(*paths: Path) -> list[Alert]:
    """Returns the alerts of some files, or of all."""
    return [Alert(rule["alert"], rule["expr"], rule) for rule in _rules(*paths) if "alert" in rule]


def recorded() -> list[str]:
    """Returns the names of the recorded series."""
    return [rule["record"] for rule in _rules() if "record" in rule]
