"""The release on a real cluster, at rest: installed on an empty database and tested."""

import json
import time
import urllib.request
from collections import Counter

import pytest

from tests.cluster.calls import sign_in, unharmed
from tests.cluster.conftest import (
    GATEWAYS,
    NAMESPACE,
    RELEASE,
    SERVICES,
    check_memory,
    get,
    kubectl,
    note,
    pods,
    read_secret,
    run,
    until,
)
from tests.cluster.load import RATE, clients

pytestmark = pytest.mark.usefixtures("release")

WARNINGS_MAX = 3
"""Per start of a pod: the first probe comes after 3 seconds, the next ones 2 seconds apart."""


def test_every_pod_is_ready_and_restricted() -> None:
    """The namespace enforces `restricted`, and all pods got in and are ready."""
    labels = get("namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for service in SERVICES:
        for pod in pods(service):
            conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
            assert conditions["Ready"] == "True", pod["metadata"]["name"]


def test_pods_of_a_service_are_on_different_nodes() -> None:
    """Also where the nodes have no zone: then the end of one node ends no service."""
    if len(json.loads(run("kubectl", "get", "nodes", "--output", "json"))["items"]) < 2:
        pytest.skip("spreading needs two nodes")
    assert len({pod["spec"]["nodeName"] for pod in pods("gateway")}) == min(2, GATEWAYS)


def test_first_admin_signs_in(url: str) -> None:
    """On an empty database the first admin is made, by one pod, which says so."""
    admin = {key: value.decode() for key, value in read_secret("vestibule-admin").items()}
    assert sign_in(url, admin)
    said = kubectl("logs", "--selector", "app.kubernetes.io/component=auth-service", "--tail=-1")
    assert said.count("bootstrap admin created") <= 1


def test_aggregator_sees_the_services(url: str) -> None:
    """It finds the pods by their annotation, and says that they are up."""

    def healthy() -> bool:
        with urllib.request.urlopen(f"{url}/api/health", timeout=10) as answer:
            data = json.loads(answer.read())["data"]
        states = {component["name"]: component["state"] for component in data["components"]}
        return {"gateway", "auth-service", "user-service"} <= {
            name for name, state in states.items() if state == "up"
        }

    until(healthy, 60, "the aggregator does not call the services up")


def test_nothing_happens(url: str) -> None:
    """Without any disturbance nothing fails, and no pod needs more memory than it has asked for."""
    with clients(url) as tally:
        time.sleep(max(15, 600 / RATE))
        check_memory(SERVICES)
    unharmed("nothing", tally)


def test_start_has_few_warnings_of_probes() -> None:
    """A pod is asked only once it can have started; every refusal before that would be a warning.

    Each service starts by itself: what else the nodes do at that time would be measured, too.
    """
    for service in SERVICES:
        kubectl("rollout", "restart", f"deployment/{RELEASE}-{service}")
        kubectl("rollout", "status", f"deployment/{RELEASE}-{service}", "--timeout=180s")
    warnings: Counter[str] = Counter()
    for event in get("events")["items"]:
        if event["reason"] == "Unhealthy" and event["message"].startswith("Startup"):
            warnings[event["involvedObject"]["name"]] += event.get("count", 1)
    names = [pod["metadata"]["name"] for service in SERVICES for pod in pods(service)]
    seen = {name: warnings[name] for name in names}
    note("warnings of probes per start", seen)
    assert max(seen.values()) <= WARNINGS_MAX, seen
