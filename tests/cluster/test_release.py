"""The release on a real cluster: installed, tested, upgraded, disturbed."""

import base64
import json
import re
import secrets
import urllib.request
from typing import Any

import pytest
from chassis.identity.service_keys import new_key_pair

from tests.cluster.conftest import (
    CHART,
    NAMESPACE,
    Load,
    forwarded,
    get,
    helm,
    kubectl,
    pods,
    run,
    under_load,
    until,
    upgrade,
)

pytestmark = pytest.mark.usefixtures("release")

SERVICES = ("auth-service", "user-service", "health-aggregator", "gateway")
CALLS = re.compile(r"^grpc_server_handled_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


def call(url: str, method: str, path: str, body: Any = None, token: str = "") -> Any:
    """Calls the gateway and returns the envelope."""
    request = urllib.request.Request(
        url + path, method=method, data=json.dumps(body).encode() if body else None
    )
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def join(url: str) -> dict[str, str]:
    """Signs a new person up."""
    person = {"email": f"cluster-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(18)}
    call(url, "POST", "/api/auth/register", {**person, "full_name": "Cluster Test"})
    return person


def sign_in(url: str, person: dict[str, str]) -> str:
    """Signs a person in and returns the access token."""
    return str(call(url, "POST", "/api/auth/login", person)["data"]["access_token"])


def settle() -> None:
    """Waits until every service has all its pods."""
    for service in SERVICES:
        kubectl("rollout", "status", f"deployment/vestibule-{service}", "--timeout=120s")


def calls_taken(pod: str) -> float:
    """Returns how many gRPC calls a pod of user-service has taken."""
    with forwarded(f"pod/{pod}", 9102) as url, urllib.request.urlopen(f"{url}/metrics") as answer:
        return sum(float(count) for count in CALLS.findall(answer.read().decode()))


def test_every_pod_is_ready_and_restricted() -> None:
    """The namespace enforces `restricted`, and all pods got in and are ready."""
    labels = get("namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for service in SERVICES:
        for pod in pods(service):
            conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
            assert conditions["Ready"] == "True", pod["metadata"]["name"]


def test_helm_test_signs_up_in_and_out(release: str) -> None:
    assert "Phase:          Succeeded" in helm("test", release)


def test_aggregator_sees_the_house(load: Load) -> None:
    """It finds the pods by their annotation, and says that they are up."""

    def healthy() -> bool:
        status, text = load.ask("/api/health")
        data = json.loads(text)["data"]
        states = {component["name"]: component["state"] for component in data["components"]}
        return status == 200 and {"gateway", "auth-service", "user-service"} <= {
            name for name, state in states.items() if state == "up"
        }

    until(healthy, 60, "the aggregator does not call the services up")


def test_upgrade_under_load_loses_no_request(load: Load) -> None:
    """Every pod is replaced while requests go on, and each is answered."""
    before = {pod["metadata"]["name"] for service in ("gateway", "auth-service") for pod in pods(service)}
    with under_load(load):
        upgrade("services.gateway.replicas=2", f"defaults.podAnnotations.roll=r{secrets.token_hex(4)}")
    after = {pod["metadata"]["name"] for service in ("gateway", "auth-service") for pod in pods(service)}

    assert not before & after
    assert load.done > 100
    assert load.failed == []


def test_failed_upgrade_leaves_the_old_release_serving(load: Load) -> None:
    """An image that is not there gets no pod ready, and the old pods answer on; a rollback heals."""
    revision = json.loads(helm("history", "vestibule", "--output", "json"))[-1]["revision"]
    with under_load(load):
        with pytest.raises(AssertionError):
            helm(
                "upgrade", "vestibule", str(CHART), "--reuse-values", "--wait", "--timeout", "30s",
                "--set", "services.gateway.image=registry.invalid/gateway:none",
            )  # fmt: skip
        helm("rollback", "vestibule", str(revision), "--wait")

    assert load.failed == []


def test_more_pods_share_the_load(load: Load) -> None:
    """Of three pods of user-service each takes its part within a minute."""
    token = sign_in(load.url, join(load.url))
    kubectl("scale", "deployment/vestibule-user-service", "--replicas=3")
    kubectl("rollout", "status", "deployment/vestibule-user-service", "--timeout=120s")
    names = [pod["metadata"]["name"] for pod in pods("user-service")]
    before = {name: calls_taken(name) for name in names}

    def shared() -> bool:
        for _ in range(60):
            # A query that no cache has seen goes through to user-service.
            call(load.url, "GET", "/api/users/me/export", token=token)
        return all(calls_taken(name) > before[name] for name in names)

    until(shared, 60, "a pod has taken no call")
    kubectl("scale", "deployment/vestibule-user-service", "--replicas=1")


def test_killed_pod_is_replaced(load: Load) -> None:
    """One of two gateways dies at once; requests go on, but for those that it had in hand."""
    victim = pods("gateway")[0]["metadata"]["name"]
    with under_load(load):
        kubectl("delete", "pod", victim, "--grace-period=0", "--force")
        kubectl("rollout", "status", "deployment/vestibule-gateway", "--timeout=120s")

    assert len(load.failed) <= 8
    assert victim not in {pod["metadata"]["name"] for pod in pods("gateway")}


def test_drained_node_loses_no_request(load: Load) -> None:
    """A node is emptied under load; its pods come up elsewhere."""
    nodes = json.loads(run("kubectl", "get", "nodes", "--output", "json"))["items"]
    workers = [node["metadata"]["name"] for node in nodes if not node["spec"].get("taints")]
    if len(workers) < 2:
        pytest.skip("draining needs two nodes that take pods")
    drained = next(pod["spec"]["nodeName"] for pod in pods("gateway"))
    upgrade("services.gateway.replicas=2", "services.auth-service.replicas=2")
    try:
        with under_load(load):
            run(
                "kubectl", "drain", drained, "--ignore-daemonsets", "--delete-emptydir-data",
                "--timeout=180s", "--pod-selector", "app.kubernetes.io/instance=vestibule",
            )  # fmt: skip
    finally:
        run("kubectl", "uncordon", drained)
    settle()

    assert load.failed == []


def test_rotated_service_key_fails_nobody(load: Load) -> None:
    """A service's key is changed by ordinary rollouts: both accepted, then the new one signs, then alone."""
    private, public = new_key_pair()
    old = base64.b64decode(get("secret", "vestibule-service-keys")["data"]["user-service.pem"])
    for change, restarted in (
        ({"user-service.pem": old + public}, SERVICES),
        ({"user-service.key": private}, ("user-service",)),
        ({"user-service.pem": public}, SERVICES),
    ):
        data = {name: base64.b64encode(text).decode() for name, text in change.items()}
        patch = json.dumps({"data": data})
        kubectl("patch", "secret", "vestibule-service-keys", "--type=merge", "--patch", patch)
        for service in restarted:
            kubectl("rollout", "restart", f"deployment/vestibule-{service}")
        settle()
    person = join(load.url)

    assert sign_in(load.url, person)
    assert load.failed == []
