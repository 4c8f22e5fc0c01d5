"""Who reaches the gateway under each `networkPolicy.gatewayClients`, and what pods may reach."""

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from devstack.topology import SERVICES

from tests.chart.test_network_policies import ARROWS
from tests.cluster.conftest import RELEASE, get, helm, kubectl, note, pods, run, until, upgrade
from tests.cluster.conftest import SERVICES as RUNNING

pytestmark = pytest.mark.usefixtures("release")

CONTROLLER = "vestibule-ingress"
"""Where an ingress controller would run; without Pod Security, as controllers on the nodes' network need."""
BALANCED = "198.51.100.7"
"""What the status of the LoadBalancer says, as a cloud's controller would."""
ASK = """
import sys, time, urllib.request
until = time.monotonic() + 10
while True:
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5)
        break
    except OSError:
        if time.monotonic() > until:
            raise
    time.sleep(0.5)
"""
"""Asks for ten seconds: a policy may refuse a new pod until the network knows its address."""
CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def reached(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True
with ThreadPoolExecutor(50) as threads:
    for target, is_reached in zip(sys.argv[1:], threads.map(reached, sys.argv[1:])):
        print(target) if is_reached else None
"""
"""Prints those of some addresses to which it can connect."""
LISTEN = """
import socket, sys, time
ends = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
time.sleep(3600)
"""


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


def test_pods_reach_what_the_architecture_names_and_nothing_else() -> None:
    """Each service tries every port of the others, the backends, and the ports of a pod outside."""
    check_arrows(RUNNING)


def check_arrows(running: Sequence[str], **own_backends: str) -> None:
    """Has each of these services try every port of the others, the backends, and of a pod outside.

    Args:
        running: The services of the release.
        own_backends: For each module, such as `voice_service`, the backend that it alone may reach.
    """
    services = [service for service in SERVICES if service.name in running]
    ports = {
        f"{pods(service.name)[0]['status']['podIP']}:{port}": (service.name, kind)
        for service in services
        for kind, port in (("http", service.http_port), ("grpc", service.grpc_port))
        if port is not None
    }
    backends = {"postgres.backends:5432", "valkey.backends:6379", "kubernetes.default:443"}
    backends |= set(own_backends.values())
    with listener("5432", "6379", "443", "6443") as elsewhere:
        for service in services:
            printed = kubectl(
                "exec", f"deployment/{RELEASE}-{service.name}", "--", "python", "-c", CONNECT,
                *ports, *backends, *elsewhere,
            )  # fmt: skip
            own = {address for address, (owner, _) in ports.items() if owner == service.name}
            reached = set(printed.split()) - own

            expected = {
                address for address, (callee, kind) in ports.items() if (service.name, callee, kind) in ARROWS
            }
            expected.add("valkey.backends:6379")
            if service.schema is not None:
                expected.add("postgres.backends:5432")
            if service.name == "health-aggregator":
                expected.add("kubernetes.default:443")
            if service.module in own_backends:
                expected.add(own_backends[service.module])
            assert reached == expected, service.name
    note("arrows", f"of {len(services)} services: those of the architecture work and no others")


@contextmanager
def listener(*ports: str) -> Iterator[list[str]]:
    """Yields the addresses of a pod outside the release that listens on these ports."""
    deployment = get("deployment", f"{RELEASE}-gateway")
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    # As root, for the ports below 1024.
    spec = json.dumps({"spec": {"securityContext": {"runAsUser": 0}}})
    in_default = ("kubectl", "--namespace", "default")
    run(
        *in_default, "run", "listener", f"--image={image}", "--image-pull-policy=IfNotPresent",
        f"--overrides={spec}", "--command", "--", "python", "-c", LISTEN, *ports,
    )  # fmt: skip
    try:
        run(*in_default, "wait", "--for=condition=Ready", "pod/listener", "--timeout=60s")
        address = run(*in_default, "get", "pod", "listener", "--output=jsonpath={.status.podIP}")
        listening = [f"{address}:{port}" for port in ports]
        # Otherwise nothing would prove that a policy is what others are stopped by.
        probe = (*in_default, "exec", "listener", "--", "python", "-c", CONNECT, *listening)
        until(lambda: run(*probe).split() == listening, 30, "the listener does not listen")
        yield listening
    finally:
        run(*in_default, "delete", "pod", "listener", "--now")
