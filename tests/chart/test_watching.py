"""What the values install for Prometheus and Grafana: alerts and dashboards on existing metrics."""

import json
import re

import yaml
from devstack.topology import SERVICES

from tests.chart.conftest import CHART, ROOT, Render
from tests.chart.manifests import of_kind

NAME = re.compile(r"\b([a-z]+(?:_[a-z]+)+)(?=[\[{)]| )")
WORDS = {"histogram_quantile"}
EVERY_PROGRAM = ("process_", "python_")
"""Metrics that Prometheus' client adds to every program."""

SUFFIXES = ("_bucket", "_count", "_sum")


def emitted() -> str:
    """Returns the source in which metrics are named."""
    folders = ["chassis", *(service.name for service in SERVICES)]
    return "\n".join(path.read_text() for folder in folders for path in (ROOT / folder / "src").rglob("*.py"))


def asked(expressions: list[str]) -> set[str]:
    """Returns the metrics that expressions use."""
    found = {name for each in expressions for name in NAME.findall(each)} - WORDS
    own = {name for name in found if not name.startswith(EVERY_PROGRAM)}
    return {re.sub(f"({'|'.join(SUFFIXES)})$", "", name) for name in own}


def test_alerts_and_dashboards_come_by_values(render: Render) -> None:
    """The production values install both, the defaults neither."""
    production = render(CHART / "ci" / "production-values.yaml")
    (rule,) = of_kind(production, "PrometheusRule")
    (dashboards,) = (
        each for each in of_kind(production, "ConfigMap") if each["metadata"]["name"].endswith("-dashboards")
    )

    assert rule["spec"]["groups"]
    assert dashboards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert all(json.loads(text)["panels"] for text in dashboards["data"].values())
    assert not of_kind(render({}), "PrometheusRule", "ServiceMonitor")


def test_alerts_lead_to_the_runbooks_by_values(render: Render) -> None:
    """The links begin with the URL of the values."""
    url = "https://git.example.com/clinic/blob/main/"
    (rule,) = of_kind(
        render({"metrics": {"prometheusRule": {"enabled": True, "repositoryUrl": url}}}), "PrometheusRule"
    )
    links = {
        each["annotations"]["runbook_url"]
        for group in rule["spec"]["groups"]
        for each in group["rules"]
        if "alert" in each
    }

    assert links
    assert all(link.startswith(f"{url}docs/runbooks/Vestibule") for link in links)


def test_metrics_that_are_asked_for_are_emitted() -> None:
    """Every metric in an alert or a panel is one that some service defines."""
    source = emitted()
    alerts = [
        rule["expr"]
        for path in CHART.glob("files/alerts/*.yaml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    panels = [
        target["expr"]
        for path in CHART.glob("files/dashboards/*.json")
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]
    names = asked(alerts) | asked(panels)

    assert len(names) >= 8
    # A counter is named with or without `_total`, which the client adds.
    assert {
        name
        for name in names
        if f'"{name}"' not in source and f'"{name.removesuffix("_total")}"' not in source
    } == set()
