"""A value that is null is refused by its path: Helm takes the key away, and templates would write nothing.

Kubernetes takes a policy without ports for every port, and a route without matches for every path.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.conftest import CHART
from tests.chart.test_values import VALUES

FREE = {"resources", "labels"}
"""Blocks whose keys are the user's: null takes one of the chart's away, such as a limit."""


def paths(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the path of every block and every leaf."""
    for key, value in values.items():
        path = (*above, key)
        yield path
        if isinstance(value, dict) and key not in FREE:
            yield from paths(value, path)


def falls_back(path: tuple[str, ...]) -> bool:
    """Says whether null means something: the default of all services, or no image of its own."""
    if path[0] != "services" or len(path) < 3:
        return False
    return path[2] in VALUES["defaults"] or path[2] == "image"


NULLABLE = {path for path in paths(VALUES) if falls_back(path)}
REFUSED = sorted(path for path in paths(VALUES) if path not in NULLABLE)


@pytest.mark.parametrize(
    "path",
    [
        ("publicPaths",),
        ("postgres", "port"),
        ("redis", "port"),
        ("networkPolicy",),
        ("networkPolicy", "enabled"),
        ("networkPolicy", "dns"),
        ("webhooks", "ports"),
        ("knowledge", "sources", "ports"),
        ("services", "knowledge-service"),
        ("services", "voice-service", "enabled"),
        ("services", "gateway", "ports", "http"),
        ("defaults", "autoscaling", "enabled"),
        ("defaults", "writableRoot"),
    ],
    ids=".".join,
)
def test_null_is_refused(helm: Any, tmp_path: Path, path: tuple[str, ...]) -> None:
    """With the block that lacks it, and its name."""
    error = refusal(helm, tmp_path, path)

    assert f"'{path[-1]}'" in error
    assert "/".join(path[:-1]) in error


@pytest.mark.nightly
@pytest.mark.parametrize("path", REFUSED, ids=".".join)
def test_no_value_may_be_null(helm: Any, tmp_path: Path, path: tuple[str, ...]) -> None:
    """Whatever it is."""
    assert f"'{path[-1]}'" in refusal(helm, tmp_path, path)


def refusal(helm: Any, folder: Path, path: tuple[str, ...]) -> str:
    """Renders with null at a path, and returns why Helm refused."""
    value: Any = None
    for key in reversed(path):
        value = {key: value}
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(value))
    done = helm("template", "vestibule", str(CHART), "--values", str(file))
    assert done.returncode != 0
    return str(done.stderr)
