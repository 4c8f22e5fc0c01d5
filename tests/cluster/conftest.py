"""The cluster of the current KUBECONFIG, with a release of its own for this run, on an empty database.

    make test-cluster ARGS="--maxfail=1"

`CLUSTER_VALUES` names a value file besides the one for development (images, pull secrets);
`k8s/backends` and the namespace's secret must be there (`make cluster`). The database of `backends` is
emptied at the beginning. The peers of the network are closed, so a CNI that enforces policies matters, and
DNS should be cached for as long as the chart believes: `make cluster` has CoreDNS say 30 seconds.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from devstack.ports import free_port

from devstack import topology

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "vestibule"
NAMESPACE = os.environ.get("CLUSTER_NAMESPACE", "vestibule")
RELEASE = "vestibule"
SERVICES = ("auth-service", "user-service", "health-aggregator", "gateway")
GATEWAYS = int(os.environ.get("CLUSTER_GATEWAYS", "2"))
ALWAYS = (
    "defaults.writableRoot=false",
    f"services.gateway.replicas={GATEWAYS}",
)


def missing() -> str | None:
    """Returns why there is no cluster to test on."""
    if not os.environ.get("CLUSTER_TESTS"):
        return "only `make test-cluster` touches a cluster"
    for program in ("kubectl", "helm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG is not set"
    asked = subprocess.run(
        ["kubectl", "get", "--raw", "/readyz", "--request-timeout=5s"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if asked.returncode == 0 else f"no cluster answers: {asked.stderr.strip()}"


@pytest.fixture(scope="session", autouse=True)
def _cluster_is_there() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)


def run(*command: str, stdin: str = "", timeout_seconds: float = 600) -> str:
    """Runs a program and returns what it printed.

    Raises:
        AssertionError: it failed; the message ends with what it said.
    """
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout_seconds
    )
    if done.returncode != 0:
        # Raised by hand: pytest would add its own explanation to that of an `assert`.
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def kubectl(*arguments: str) -> str:
    """Runs kubectl in the namespace of the release."""
    return run("kubectl", "--namespace", NAMESPACE, *arguments)


def get(*arguments: str) -> Any:
    """Returns what `kubectl get` says, as JSON."""
    return json.loads(kubectl("get", *arguments, "--output", "json"))


def helm(*arguments: str) -> str:
    """Runs helm in the namespace of the release."""
    return run("helm", *arguments, "--namespace", NAMESPACE)


def given(*settings: str) -> list[str]:
    """Returns the options of Helm for the values of these tests, and for some settings besides."""
    closed = Path(tempfile.gettempdir()) / f"vestibule-closed-{os.getpid()}.json"
    closed.write_text(json.dumps(closed_peers()))
    files = [CHART / "ci" / "development-values.yaml", closed]
    if os.environ.get("CLUSTER_VALUES"):
        files.append(Path(os.environ["CLUSTER_VALUES"]))
    values = [word for path in files for word in ("--values", str(path))]
    return values + [word for setting in (*ALWAYS, *settings) for word in ("--set", setting)]


def upgrade(*settings: str, options: Sequence[str] = ()) -> str:
    """Installs the release, or upgrades it, with settings besides those for development."""
    values = given(*settings)
    return helm("upgrade", "--install", RELEASE, str(CHART), "--wait", "--timeout", "5m", *values, *options)


def closed_peers() -> dict[str, Any]:
    """Returns values as in production, not as in the loop of development: every peer is named."""
    slices = run(
        "kubectl", "--namespace", "default", "get", "endpointslices", "--output", "json",
        "--selector", "kubernetes.io/service-name=kubernetes",
    )  # fmt: skip
    ends = [end for each in json.loads(slices)["items"] for end in each["endpoints"]]
    api = [address for end in ends for address in end["addresses"]]
    backends = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "backends"}}}]
    peers = ("postgres", "redis", "smtp", "otlp", "qdrant", "nextcloud", "metricsClients")
    return {
        "config": {"logLevel": "info", "traceRatio": 0.01},
        "networkPolicy": {
            # The load comes by a NodePort, which a policy sees as a node's address.
            "gatewayClients": [{"ipBlock": {"cidr": "0.0.0.0/0"}}],
            "kubernetesApi": [{"ipBlock": {"cidr": f"{address}/32"}} for address in api],
            **dict.fromkeys(peers, backends),
        },
    }


def patch_secret(name: str, change: Mapping[str, bytes]) -> None:
    """Replaces some keys of a secret."""
    data = {key: base64.b64encode(value).decode() for key, value in change.items()}
    kubectl("patch", "secret", name, "--type=merge", "--patch", json.dumps({"data": data}))


def read_secret(name: str) -> dict[str, bytes]:
    """Returns what a secret has."""
    return {key: base64.b64decode(value) for key, value in get("secret", name)["data"].items()}


def restart(services: Sequence[str]) -> None:
    """Restarts services at once and waits until they are settled."""
    for service in services:
        kubectl("rollout", "restart", f"deployment/{RELEASE}-{service}")
    settle()


def take_back_replicas(*settings: str) -> None:
    """Upgrades after a `kubectl scale`: Helm 4 takes a changed number back only when asked to."""
    upgrade(*settings, options=("--force-conflicts",) if helm("version", "--short").startswith("v4") else ())
    settle()


def pods(service: str) -> list[dict[str, Any]]:
    """Returns the pods of a service that are not on their way out."""
    found = get("pods", "--selector", f"app.kubernetes.io/component={service}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


WORKING_SET = """
from pathlib import Path
path, unused = Path("/sys/fs/cgroup/memory.current"), "inactive_file"
if not path.exists():
    path, unused = Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"), "total_inactive_file"
stat = dict(line.split() for line in path.with_name("memory.stat").read_text().splitlines())
print((int(path.read_text()) - int(stat[unused])) >> 20)
"""
"""Prints the MiB that a pod uses as the kubelet counts them, in either version of cgroups."""


def check_memory(services: Sequence[str]) -> None:
    """Notes what every pod uses, and asserts that it has asked for as much."""
    for pod in (each for service in services for each in pods(service)):
        name = pod["metadata"]["name"]
        mebibytes = int(kubectl("exec", name, "--", "python", "-c", WORKING_SET))
        (container,) = pod["spec"]["containers"]
        requested = container["resources"]["requests"]["memory"]
        note(f"memory of {name}", f"{mebibytes} MiB of {requested}")
        assert mebibytes <= int(requested.removesuffix("Mi")), name


def until(what: Callable[[], bool], within_seconds: float, reason: str) -> float:
    """Waits until something is so and returns the seconds that it took."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < within_seconds, f"after {within_seconds} s: {reason}"
        time.sleep(0.5)
    return time.monotonic() - started


def note(event: str, what: object) -> None:
    """Keeps what was seen, for the table of a run: `CLUSTER_NOTES` names the file."""
    path = os.environ.get("CLUSTER_NOTES")
    if path:
        with Path(path).open("a", encoding="utf-8") as notes:
            notes.write(f"| {event} | {what} | load {os.getloadavg()[0]:.1f} |\n")


def emptied() -> None:
    """Makes the database of `backends` as empty as a new one: no schema, no role."""
    statements = ["DROP DATABASE IF EXISTS vestibule WITH (FORCE)"]
    for schema in (each.schema for each in topology.SERVICES if each.schema is not None):
        statements += [f"DROP ROLE IF EXISTS {role}" for role in (schema.owner, schema.runtime)]
    for statement in (*statements, "CREATE DATABASE vestibule"):
        in_postgres("psql", "--username=postgres", "--quiet", "--command", statement)


def in_postgres(*command: str) -> str:
    """Runs a command in the pod of Postgres."""
    return run("kubectl", "--namespace", "backends", "exec", "deployment/postgres", "--", *command)


def settle(services: Sequence[str] = SERVICES) -> None:
    """Waits until services have all their pods, and the old ones are gone."""
    for service in services:
        kubectl("rollout", "status", f"deployment/{RELEASE}-{service}", "--timeout=180s")
    until(lambda: not leaving(), 120, "stopping pods are still there")


def leaving() -> list[str]:
    """Returns the stopping pods that still serve."""
    found = get("pods", "--selector", f"app.kubernetes.io/instance={RELEASE}")["items"]
    return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" in pod["metadata"]]


@pytest.fixture(scope="session", name="release")
def _release(_cluster_is_there: None) -> Iterator[str]:
    """The release on an empty database, removed afterwards unless `CLUSTER_KEEP` is set."""
    if not os.environ.get("CLUSTER_REUSE"):
        run("helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
        emptied()
    started = time.monotonic()
    upgrade()
    tested = helm("test", RELEASE)
    event = "upgrade of what was there" if os.environ.get("CLUSTER_REUSE") else "install"
    note(event, f"{time.monotonic() - started:.0f} s until helm test passed")
    assert "Phase:          Succeeded" in tested
    # What an upgrade leaves behind must not disturb the first test.
    settle()
    yield RELEASE
    if not os.environ.get("CLUSTER_KEEP"):
        helm("uninstall", RELEASE, "--wait")


@pytest.fixture(name="url")
def _url(release: str) -> Iterator[str]:
    """A way to the gateway that outlives single pods: in the cluster's own network, by NodePort."""
    kubectl("delete", "service", "vestibule-outside", "--ignore-not-found")
    kubectl(
        "expose", "service", f"{release}-gateway", "--name", "vestibule-outside", "--type", "NodePort",
        "--port", "8000", "--target-port", "http",
    )  # fmt: skip
    node_port = get("service", "vestibule-outside")["spec"]["ports"][0]["nodePort"]
    nodes = json.loads(run("kubectl", "get", "nodes", "--output", "json"))["items"]
    address = next(
        each["address"] for each in nodes[0]["status"]["addresses"] if each["type"] == "InternalIP"
    )
    url = f"http://{address}:{node_port}"
    # The nodes learn of the port a moment later.
    until(lambda: ready(url), 120, "no gateway is ready by the NodePort")
    yield url
    kubectl("delete", "service", "vestibule-outside")


def ready(url: str) -> bool:
    """Returns whether a gateway answers that it and what it needs are ready."""
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def forwarded(target: str, port: int, namespace: str = NAMESPACE) -> Iterator[str]:
    """Forwards a port of a pod or service to this machine, and yields its address."""
    local = free_port()
    command = ["kubectl", "--namespace", namespace, "port-forward", target, f"{local}:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield f"127.0.0.1:{local}"
        finally:
            process.terminate()
