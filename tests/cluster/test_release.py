"""The release on a real cluster, at rest: installed on an empty database and tested."""

import json
import time
import urllib.request

import pytest
import yaml

from tests.cluster.calls import sign_in, unharmed
from tests.cluster.conftest import (
    CHART,
    GATEWAYS,
    NAMESPACE,
    SERVICES,
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

TTL = """
import secrets, socket, struct
server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
name = "vestibule-auth-service.%s.svc.cluster.local"
asked = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + bytes([0, 0, 1, 0, 1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
    wire.settimeout(5)
    wire.sendto(secrets.token_bytes(2) + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + asked, (server, 53))
    answer = wire.recv(4096)
print(struct.unpack(">I", answer[12 + len(asked) + 6:][:4])[0])
"""
"""Asks the cluster's DNS for a headless Service and prints for how long the answer may be kept."""

MEMORY = (
    "python",
    "-c",
    """
from pathlib import Path
path, unused = Path("/sys/fs/cgroup/memory.current"), "inactive_file"
if not path.exists():
    path, unused = Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"), "total_inactive_file"
stat = dict(line.split() for line in path.with_name("memory.stat").read_text().splitlines())
print((int(path.read_text()) - int(stat[unused])) >> 20)
""",
)
"""Prints the MiB that a pod uses as the kubelet counts them, in either version of cgroups."""


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


def test_dns_is_cached_no_longer_than_the_chart_believes() -> None:
    """The rollouts prove something about a TTL of 30 seconds only where it is that long: it is noted."""
    ttl = int(kubectl("exec", "deployment/vestibule-gateway", "--", "python", "-c", TTL % NAMESPACE))
    note("DNS", f"answers may be kept for {ttl} s")

    assert ttl <= yaml.safe_load((CHART / "values.yaml").read_text())["config"]["dnsTtlSeconds"]


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
        used = {
            pod["metadata"]["name"]: (int(kubectl("exec", pod["metadata"]["name"], "--", *MEMORY)), pod)
            for service in SERVICES
            for pod in pods(service)
        }
    unharmed("nothing", tally)
    for name, (mebibytes, pod) in used.items():
        (container,) = pod["spec"]["containers"]
        requested = container["resources"]["requests"]["memory"]
        note(f"memory of {name}", f"{mebibytes} MiB of {requested}")
        assert mebibytes <= int(requested.removesuffix("Mi")), name
