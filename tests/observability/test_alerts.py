"""Every alert fires when it should and only then, as promtool computes it, and has a runbook."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observability.made_objectives import OBJECTIVES
from tests.observability.made_services import SERVICE_ALERTS
from tests.observability.making import Expected, Series
from tests.observability.rules import ROOT, RUNBOOKS, alerts, rule_files

MADE = (*OBJECTIVES, *SERVICE_ALERTS)
PROMTOOL = shutil.which("promtool")
HEADINGS = ["## What it means", "## What to look at", "## What to do"]

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="Debian's prometheus is not installed")


def promtool(*arguments: str) -> None:
    """Runs promtool; an error of it fails the test."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_rules_are_sound() -> None:
    """Syntax, names and templates of every rule."""
    promtool("check", "rules", *map(str, rule_files()))


@pytest.mark.nightly
@needs_promtool
@pytest.mark.parametrize("path", rule_files(), ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path, tmp_path: Path) -> None:
    """With the labels and the annotations that an operator sees."""
    names = {alert.name for alert in alerts(path)}
    made = [each for each in MADE if each.alert in names]
    tests = [
        unit
        for each in made
        for unit in (
            a_test(each.alert, each.at, each.fires, each.expected),
            *(a_test(each.alert, each.silent_at or each.at, series, []) for series in each.silent),
        )
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(path)], "evaluation_interval": "5m", "tests": tests}))

    assert {each.alert for each in made if each.silent} == names, "each is tried both ways"
    promtool("test", "rules", str(file))


def a_test(name: str, at: str, series: Series, expected: Sequence[Expected]) -> dict[str, Any]:
    """Returns one unit test in promtool's format."""
    url = f"docs/runbooks/{name}.md"
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": at,
                "alertname": name,
                "exp_alerts": [
                    {
                        "exp_labels": {key: value for key, value in each.items() if key != "summary"},
                        "exp_annotations": {"summary": each["summary"], "runbook_url": url},
                    }
                    for each in expected
                ],
            }
        ],
    }


def test_made_series_are_of_alerts_that_are_there() -> None:
    """A removed alert takes its series with it."""
    assert {made.alert for made in MADE} <= {alert.name for alert in alerts()}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    """The annotation links to the runbook, and no runbook is left over."""
    led_to = {alert.rule["annotations"]["runbook_url"] for alert in alerts()}
    pages = {str(path.relative_to(ROOT)) for path in RUNBOOKS.glob("*.md") if path.stem != "README"}

    assert led_to == {f"docs/runbooks/{alert.name}.md" for alert in alerts()}
    assert led_to == pages


@pytest.mark.parametrize("name", sorted({alert.name for alert in alerts()}))
def test_runbook_says_what_to_do(name: str) -> None:
    """Its meaning, what to look at (a command, a board, a query) and what to do."""
    text = (RUNBOOKS / f"{name}.md").read_text()

    assert text.startswith(f"# {name}\n")
    assert re.findall("^## .*$", text, re.MULTILINE) == HEADINGS
    look = text.split(HEADINGS[1])[1].split(HEADINGS[2])[0]
    assert "```" in look, "no command"
    assert re.search(r"Vestibule / \w+", look), "no board"
    for alert in alerts():
        if alert.name == name:
            assert alert.rule["labels"]["severity"] in {"critical", "warning"}
