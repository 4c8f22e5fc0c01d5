"""Who reaches the gateway under each `networkPolicy.gatewayClients`, on a real cluster."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.conftest import RELEASE, get, helm, kubectl, note, run, until, upgrade

pytestmark = pytest.mark.usefixtures("release")

CONTROLLER = "vestibule-ingress"
"""Where an ingress controller would run; without Pod Security, as controllers on the nodes' network need."""
BALANCED = "198.51.100.7"
"""What the status of the LoadBalancer says, as a cloud's controller would."""
ASK = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"


@pytest.fixture(name="addresses", scope="module")
def _addresses(release: str) -> Iterator[dict[str, str]]:
    """The ways to the gateway: its Service, a NodePort and a LoadBalancer."""
    run("kubectl", "create", "namespace", CONTROLLER)
    gateway = f"{release}-gateway"
    for kind in ("NodePort", "LoadBalancer"):
        kubectl(
            "expose", "service", gateway, "--name", f"by-{kind.lower()}", "--type", kind,
            "--port", "8000", "--target-port", "http",
        )  # fmt: skip
    status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": BALANCED, "ipMode": "VIP"}]}}})
    kubectl("patch", "service", "by-loadbalancer", "--subresource=status", "--type=merge", "--patch", status)
    node_port = get("service", "by-nodeport")["spec"]["ports"][0]["nodePort"]
    yield {
        "service": f"http://{get('service', gateway)['spec']['clusterIP']}:8000/ready",
        "node port": f"http://{nodes()[0]}:{node_port}/ready",
        "load balancer": f"http://{BALANCED}:8000/ready",
    }
    kubectl("delete", "service", "by-nodeport", "by-loadbalancer")
    run("kubectl", "delete", "namespace", CONTROLLER, "--wait=false")
    upgrade()


def nodes() -> list[str]:
    """Returns the nodes' addresses."""
    items = json.loads(run("kubectl", "get", "nodes", "--output", "json"))["items"]
    return [
        next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        for node in items
    ]


def reaches(namespace: str, url: str, *, host_network: bool = False) -> bool:
    """Returns whether a pod of a namespace gets an answer."""
    name = f"client-{secrets.token_hex(4)}"
    deployment = get("deployment", f"{RELEASE}-gateway")
    # An image with Python, which the nodes have.
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    spec = json.dumps({"spec": {"hostNetwork": host_network}})
    in_namespace = ("kubectl", "--namespace", namespace)
    run(
        *in_namespace, "run", name, f"--image={image}", "--image-pull-policy=IfNotPresent", "--restart=Never",
        f"--overrides={spec}", "--command", "--", "python", "-c", ASK, url,
    )  # fmt: skip

    def phase() -> str:
        return run(*in_namespace, "get", "pod", name, "--output=jsonpath={.status.phase}")

    until(lambda: phase() in ("Succeeded", "Failed"), 90, f"{name} does not end")
    succeeded = phase() == "Succeeded"
    run(*in_namespace, "delete", "pod", name, "--wait=false")
    return succeeded


def admit(peers: list[dict[str, Any]]) -> None:
    """Sets `gatewayClients`, and runs `helm test`, which has a rule of its own."""
    upgrade(options=("--set-json", f"networkPolicy.gatewayClients={json.dumps(peers)}"))
    assert "Phase:          Succeeded" in helm("test", RELEASE)


def test_by_default_every_controller_reaches_the_gateway(addresses: dict[str, str]) -> None:
    """In pods, on the nodes' network, by NodePort and by LoadBalancer."""
    admit([])

    reached = {
        "pod": reaches(CONTROLLER, addresses["service"]),
        "pod on the nodes' network": reaches(CONTROLLER, addresses["service"], host_network=True),
        "node port": reaches(CONTROLLER, addresses["node port"], host_network=True),
        "load balancer": reaches(CONTROLLER, addresses["load balancer"], host_network=True),
    }
    note("gatewayClients by default", reached)
    assert all(reached.values()), reached


def test_a_controllers_namespace_alone_reaches_the_gateway(addresses: dict[str, str]) -> None:
    """As in the production values; `helm test` passes all the same."""
    admit([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": CONTROLLER}}}])

    assert reaches(CONTROLLER, addresses["service"])
    assert not reaches("default", addresses["service"])
    note("gatewayClients: the controller's namespace", f"{CONTROLLER} reaches it, default does not")


def test_the_nodes_alone_reach_the_gateway(addresses: dict[str, str]) -> None:
    """For a controller on the nodes' network, a NodePort, or a LoadBalancer that sends to the nodes."""
    admit([{"ipBlock": {"cidr": f"{address}/32"}} for address in nodes()])

    reached = {
        "pod on the nodes' network": reaches(CONTROLLER, addresses["service"], host_network=True),
        "node port": reaches(CONTROLLER, addresses["node port"], host_network=True),
        "load balancer": reaches(CONTROLLER, addresses["load balancer"], host_network=True),
    }
    note("gatewayClients: the nodes", reached)
    assert all(reached.values()), reached
    assert not reaches(CONTROLLER, addresses["service"])
