"""The cluster of the current KUBECONFIG, with a release of its own for this run.

    make test-cluster ARGS="--maxfail=1"

`CLUSTER_VALUES` names a value file besides the one for development (images, pull secrets);
`k8s/backends` and the namespace's secret must be there (`make cluster`).
"""

import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from devstack.program import free_port

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "vestibule"
NAMESPACE = os.environ.get("CLUSTER_NAMESPACE", "vestibule")
RELEASE = "vestibule"
ALWAYS = (
    "defaults.writableRoot=false",
    # The load comes by a NodePort, which a policy sees as the node's own address.
    "networkPolicy.gatewayClients[0].ipBlock.cidr=0.0.0.0/0",
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


def run(*command: str, timeout_seconds: float = 600) -> str:
    """Runs a program and returns what it printed; fails with what it complained of."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_seconds)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
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


def upgrade(*settings: str) -> str:
    """Installs the release, or upgrades it, with settings besides those for development."""
    files = [CHART / "ci" / "development-values.yaml"]
    if os.environ.get("CLUSTER_VALUES"):
        files.append(Path(os.environ["CLUSTER_VALUES"]))
    values = [word for path in files for word in ("--values", str(path))]
    given = [word for setting in (*ALWAYS, *settings) for word in ("--set", setting)]
    return helm("upgrade", "--install", RELEASE, str(CHART), "--wait", "--timeout", "5m", *values, *given)


def pods(service: str) -> list[dict[str, Any]]:
    """Returns the pods of a service that are not on their way out."""
    found = get("pods", "--selector", f"app.kubernetes.io/component={service}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def until(what: Callable[[], bool], within_seconds: float, reason: str) -> float:
    """Waits until something is so and returns the seconds that it took."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < within_seconds, f"after {within_seconds} s: {reason}"
        time.sleep(0.5)
    return time.monotonic() - started


@dataclass
class Load:
    """Requests to the gateway, one after the other, and how they went."""

    url: str
    done: int = 0
    failed: list[str] = field(default_factory=list)

    def ask(self, path: str) -> tuple[int, bytes]:
        """Asks once."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def ready(self) -> bool:
        """Returns whether a gateway answers that it and what it calls are ready."""
        try:
            status, _ = self.ask("/ready")
        except OSError:
            return False
        return status == 200

    def go_on(self, stop: threading.Event, path: str) -> None:
        """Asks until told to stop."""
        while not stop.is_set():
            try:
                status, text = self.ask(path)
                if status != 200:
                    self.failed.append(f"{status}: {text.decode()[:200]}")
            except OSError as error:
                self.failed.append(str(error))
            self.done += 1
            time.sleep(0.02)


@pytest.fixture(scope="session", name="release")
def _release(_cluster_is_there: None) -> Iterator[str]:
    """The release, two gateways strong, removed afterwards unless `CLUSTER_KEEP` is set."""
    upgrade("services.gateway.replicas=2")
    yield RELEASE
    if not os.environ.get("CLUSTER_KEEP"):
        helm("uninstall", RELEASE, "--wait")


@pytest.fixture(name="load")
def _load(release: str) -> Iterator[Load]:
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
    load = Load(f"http://{address}:{node_port}")
    # The nodes learn of the port a moment later.
    until(load.ready, 120, "no gateway is ready by the NodePort")
    yield load
    kubectl("delete", "service", "vestibule-outside")


@contextmanager
def under_load(load: Load, path: str = "/.well-known/jwks.json") -> Iterator[Load]:
    """Keeps asking while something happens; a path that goes through gRPC by default."""
    stop = threading.Event()
    workers = [threading.Thread(target=load.go_on, args=(stop, path)) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        yield load
    finally:
        stop.set()
        for worker in workers:
            worker.join()


@contextmanager
def forwarded(target: str, port: int) -> Iterator[str]:
    """Forwards a port of a pod or service to this machine."""
    local = free_port()
    command = ["kubectl", "--namespace", NAMESPACE, "port-forward", target, f"{local}:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield f"http://127.0.0.1:{local}"
        finally:
            process.terminate()
