"""What streams need of the cluster: no timeout of the route, and pods that go one after another."""

from typing import Any

from tests.chart.conftest import Render
from tests.chart.manifests import of_kind


def test_timeouts_of_the_route(render: Render) -> None:
    """None unless they are given, since older clusters do not know them."""
    given: dict[str, Any] = {"gatewayApi": {"enabled": True, "parentRefs": [{"name": "edge"}]}}
    (without,) = of_kind(render(given), "HTTPRoute")
    given["gatewayApi"]["timeouts"] = {"request": "0s"}
    (route,) = of_kind(render(given), "HTTPRoute")

    assert "timeouts" not in without["spec"]["rules"][0]
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "0s"}


def test_pods_go_one_after_another(render: Render) -> None:
    """The clients of a pod's streams are back at others before the next one stops."""
    scalers = of_kind(render({"defaults": {"autoscaling": {"enabled": True}}}), "HorizontalPodAutoscaler")

    assert scalers
    for scaler in scalers:
        policies = scaler["spec"]["behavior"]["scaleDown"]["policies"]
        assert policies == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
