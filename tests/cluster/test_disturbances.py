"""The release on a real cluster: upgraded, rolled, scaled, killed, drained. No request fails."""

import json
import secrets

import pytest

from tests.cluster.calls import call, calls_taken, join, sign_in, unharmed
from tests.cluster.conftest import (
    CHART,
    SERVICES,
    helm,
    kubectl,
    leaving,
    note,
    pods,
    run,
    settle,
    take_back_replicas,
    until,
    upgrade,
)
from tests.cluster.load import clients

pytestmark = pytest.mark.usefixtures("release")


def test_upgrade_fails_no_request(url: str) -> None:
    """Every pod is replaced at once while requests go on, until the last old one is gone."""
    before = {pod["metadata"]["name"] for service in SERVICES for pod in pods(service)}
    with clients(url) as tally:
        upgrade(f"defaults.podAnnotations.roll=r{secrets.token_hex(4)}")
        settle()
    after = {pod["metadata"]["name"] for service in SERVICES for pod in pods(service)}

    assert not before & after
    unharmed("upgrade of all services", tally)


@pytest.mark.parametrize("service", SERVICES)
def test_restart_fails_no_request(url: str, service: str) -> None:
    """One service is rolled."""
    with clients(url) as tally:
        kubectl("rollout", "restart", f"deployment/vestibule-{service}")
        settle()
    unharmed(f"rollout restart {service}", tally)


def test_failed_upgrade_leaves_the_old_release_serving(url: str) -> None:
    """An image that is not there gets no pod ready, and the old pods answer on; a rollback heals."""
    revision = json.loads(helm("history", "vestibule", "--output", "json"))[-1]["revision"]
    with clients(url) as tally:
        with pytest.raises(AssertionError):
            helm(
                "upgrade", "vestibule", str(CHART), "--reuse-values", "--wait", "--timeout", "30s",
                "--set", "services.gateway.image=registry.invalid/gateway:none",
            )  # fmt: skip
        helm("rollback", "vestibule", str(revision), "--wait")
        settle()
    unharmed("failed upgrade and rollback", tally)


def test_scaling_fails_no_request(url: str) -> None:
    """Of three pods of user-service each takes its part; two are taken away again."""
    token = sign_in(url, join(url))
    with clients(url) as tally:
        kubectl("scale", "deployment/vestibule-user-service", "--replicas=3")
        kubectl("rollout", "status", "deployment/vestibule-user-service", "--timeout=120s")
        names = [pod["metadata"]["name"] for pod in pods("user-service")]
        before = {name: calls_taken(name) for name in names}

        def shared() -> bool:
            for _ in range(60):
                # A query that no cache has seen goes through to user-service.
                call(url, "GET", "/api/users/me/export", token=token)
            return all(calls_taken(name) > before[name] for name in names)

        # A client asks DNS again within 33 seconds, and may be given an answer that is 30 old.
        until(shared, 90, "a pod has taken no call")
        kubectl("scale", "deployment/vestibule-user-service", "--replicas=1")
        until(lambda: not leaving(), 120, "stopping pods are still there")
    take_back_replicas()
    unharmed("scale user-service 1, 3, 1", tally)


def test_killed_pod_is_replaced(url: str) -> None:
    """One of the gateways dies at once; requests go on, but for those that it had in hand."""
    victim = pods("gateway")[0]["metadata"]["name"]
    with clients(url) as tally:
        kubectl("delete", "pod", victim, "--grace-period=0", "--force")
        settle()
    note("gateway killed", tally)

    assert len(tally.failed) <= 8, tally.failed[:10]
    assert victim not in {pod["metadata"]["name"] for pod in pods("gateway")}


@pytest.mark.parametrize("budgets", [True, False])
def test_drained_node_fails_no_request(url: str, *, budgets: bool) -> None:
    """A node is emptied under load; its pods come up elsewhere. Without budgets all leave at once."""
    nodes = json.loads(run("kubectl", "get", "nodes", "--output", "json"))["items"]
    workers = [node["metadata"]["name"] for node in nodes if not node["spec"].get("taints")]
    if len(workers) < 2:
        pytest.skip("draining needs two nodes that take pods")
    # On the other one the release's pods must fit beside those of the backends.
    postgres = run("kubectl", "--namespace", "backends", "get", "pods", "--output", "json",
                   "--selector", "app.kubernetes.io/name=postgres")  # fmt: skip
    drained = json.loads(postgres)["items"][0]["spec"]["nodeName"]
    take_back_replicas(
        "services.auth-service.replicas=2",
        "services.user-service.replicas=2",
        f"defaults.podDisruptionBudget.enabled={str(budgets).lower()}",
    )
    try:
        with clients(url) as tally:
            run(
                "kubectl", "drain", drained, "--ignore-daemonsets", "--delete-emptydir-data",
                "--timeout=300s", "--pod-selector", "app.kubernetes.io/instance=vestibule",
            )  # fmt: skip
            settle()
    finally:
        run("kubectl", "uncordon", drained)
        upgrade()
    unharmed(f"drained node, {'with' if budgets else 'without'} disruption budgets", tally)
