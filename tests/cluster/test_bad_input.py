"""Mistakes of an operator on a real cluster: Helm, the pods or the last log line say enough to repair them.

Each is an upgrade of the running release, which must go on serving meanwhile.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.calls import join, sign_in
from tests.cluster.conftest import (
    NAMESPACE,
    get,
    kubectl,
    note,
    pods,
    read_secret,
    ready,
    run,
    until,
    upgrade,
)
from tests.cluster.load import RATE, clients

pytestmark = pytest.mark.usefixtures("release")

WITHOUT_PROVISION = "postgres.provision.existingSecret="
"""The provision job would set the roles' passwords to whatever the secret says."""


@pytest.fixture(name="serving", autouse=True)
def _serving(url: str) -> Iterator[None]:
    """The old pods serve as before, and the right values repair the release."""
    user = join(url)
    yield
    assert ready(url)
    assert sign_in(url, user)
    upgrade()


def refused(*settings: str, timeout: str = "45s") -> str:
    """Upgrades with a mistake and returns what Helm said."""
    started = time.monotonic()
    with pytest.raises(AssertionError) as refusal:
        upgrade(*settings, options=("--timeout", timeout))
    seconds = time.monotonic() - started
    # Without the command itself, which has the mistake in it.
    text = str(refusal.value).partition("\n")[2].strip()
    note("helm", f"{', '.join(settings)}: {seconds:.0f} s: {text[-600:]!r}")
    return text


def secret(name: str, data: dict[str, str]) -> None:
    """Creates a secret, or replaces it."""
    kubectl("delete", "secret", name, "--ignore-not-found")
    kubectl("create", "secret", "generic", name, *(f"--from-literal={key}={data[key]}" for key in data))


def newest(service: str) -> dict[str, Any]:
    """Returns the pod of a service that was created last."""
    return max(pods(service), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def shows(pod: str, state: str) -> bool:
    """Returns whether `kubectl get pods` shows a state."""
    return state in kubectl("get", "pod", pod, "--no-headers")


def test_wrong_database_password() -> None:
    """The migration fails at once, and Helm prints what Postgres said."""
    wrong = {key: value.decode() for key, value in read_secret("vestibule-postgres").items()}
    secret("wrong-postgres", {**wrong, "auth_owner": "not-its-password-at-all"})

    said = refused(WITHOUT_PROVISION, "postgres.existingSecret=wrong-postgres", timeout="90s")

    assert "password authentication failed" in said
    assert "auth_owner" in said


def test_no_postgres() -> None:
    """The migration is tried again, and Helm prints where nothing answered."""
    said = refused(WITHOUT_PROVISION, "postgres.host=postgres-gone.backends", timeout="4m")

    assert "postgres-gone.backends" in said


@pytest.fixture(name="other_redis")
def _other_redis() -> Iterator[None]:
    """A Valkey in protected mode, and a Service without a pod behind it."""
    valkey = json.loads(
        run("kubectl", "--namespace", "backends", "get", "deployment", "valkey", "--output", "json")
    )
    image = valkey["spec"]["template"]["spec"]["containers"][0]["image"]
    in_backends = ("kubectl", "--namespace", "backends")
    run(*in_backends, "create", "deployment", "valkey-protected", f"--image={image}", "--port=6379",
        "--", "valkey-server", "--protected-mode", "yes", "--bind", "*")  # fmt: skip
    run(*in_backends, "expose", "deployment", "valkey-protected", "--port=6379")
    run(*in_backends, "create", "service", "clusterip", "valkey-gone", "--tcp=6379:6379")
    run(*in_backends, "rollout", "status", "deployment/valkey-protected", "--timeout=60s")
    yield
    run(
        *in_backends,
        "delete",
        "deployment/valkey-protected",
        "service/valkey-protected",
        "service/valkey-gone",
    )


VALKEY = "valkey.backends:6379/0"
REFUSALS = {
    "NOAUTH": (f"redis://{VALKEY}", "put it into REDIS_URL"),
    "WRONGPASS": (f"redis://gateway:not-its-password@{VALKEY}", "correct the user and the password"),
    "NOPERM": (f"redis://health-aggregator:development-health-aggregator@{VALKEY}", "the ACL of the user"),
    "watched": (f"redis://gateway:not-its-password@{VALKEY}", "refuses the credentials"),
    "protected": ("redis://valkey-protected.backends:6379/0", "takes no connections from outside"),
    "gone": ("redis://valkey-gone.backends:6379/0", "start Redis, or correct the host and port"),
    "unknown": ("redis://no-such-name.backends:6379/0", "correct the host in REDIS_URL"),
}
"""For each way to be refused, the URL that leads to it and what the advice is."""

FIRST = {
    "auth-service": "NOAUTH",
    "user-service": "NOPERM",
    "gateway": "gone",
    "health-aggregator": "watched",
}
SECOND = {
    "auth-service": "WRONGPASS",
    "user-service": "protected",
    "gateway": "unknown",
    "health-aggregator": "watched",
}


@pytest.mark.usefixtures("other_redis")
@pytest.mark.parametrize("mistakes", [FIRST, SECOND], ids=["first", "second"])
def test_redis_refuses(mistakes: dict[str, str]) -> None:
    """Services start without Redis; the log has what it said and what to do."""
    secret("wrong-redis", {service: REFUSALS[kind][0] for service, kind in mistakes.items()})

    upgrade("redis.existingSecret=wrong-redis")

    for service, kind in mistakes.items():
        name = newest(service)["metadata"]["name"]

        def explained(pod: str = name, advice: str = REFUSALS[kind][1]) -> bool:
            return advice in kubectl("logs", pod)

        until(explained, 30, f"{service} does not explain {kind}")
        lines = [line for line in kubectl("logs", name).splitlines() if REFUSALS[kind][1] in line]
        note(f"Redis: {kind}, {service}", lines[-1])


def test_pods_that_cannot_start() -> None:
    """A secret or an image that is not there, a node that is full: Kubernetes names each one."""
    refused(
        "mail.existingSecret=no-such-secret",
        "services.gateway.image=registry.invalid/gateway:none",
        "services.user-service.resources.requests.cpu=500",
        timeout="30s",
    )

    for service, state, cause in (
        ("auth-service", "CreateContainerConfigError", 'secret "no-such-secret" not found'),
        ("gateway", "ImagePull", "registry.invalid/gateway:none"),
        ("user-service", "Pending", "Insufficient cpu"),
    ):
        name = newest(service)["metadata"]["name"]
        # Looking for the registry takes as long as the node's DNS takes to say that there is none.
        until(partial(shows, name, state), 120, f"{service} does not show {state}")
        note(service, kubectl("get", "pod", name, "--no-headers").strip())
        assert cause in kubectl("describe", "pod", name)


FAKETIME = Path(os.environ.get("CLUSTER_FAKETIME", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"))
"""Debian's package `libfaketime`; it is mounted into a pod."""


READY = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:9102/ready").read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""
"""Prints what user-service says of its checks."""


@pytest.mark.skipif(not FAKETIME.is_file(), reason="another clock needs libfaketime (`CLUSTER_FAKETIME`)")
@pytest.mark.parametrize("offset", ["+60s", "-60s"])
def test_clock_a_minute_off(url: str, offset: str) -> None:
    """The pod does not become ready, so that it fails no call or event; its log says what to do."""
    before = dead_letters()
    with pod_with_clock("user-service", offset) as name, clients(url) as tally:

        def lines() -> list[str]:
            return [line for line in kubectl("logs", name).splitlines() if "set the clocks" in line]

        until(lambda: bool(lines()), 90, f"{name} does not name the clocks")
        time.sleep(600 / RATE)
        is_ready = shows(name, "1/1")
        checks = json.loads(kubectl("exec", name, "--", "python", "-c", READY))["checks"]
        said = json.loads(lines()[0])
    state = "ready" if is_ready else "not ready"
    note(f"clock of user-service {offset}", f"{state}, {checks}, {tally}; {json.dumps(said)}")
    assert not is_ready
    assert checks["clock"] == "failing"
    assert said["ahead_seconds"] == pytest.approx(int(offset.removesuffix("s")), abs=2)
    assert tally.failed == []
    assert dead_letters() == before


def dead_letters() -> str:
    """Returns the events that user-service has put aside."""
    return kubectl("exec", "deployment/vestibule-user-service", "--", "python", "-m", "user_service",
                   "events", "list")  # fmt: skip


@contextmanager
def pod_with_clock(service: str, offset: str) -> Iterator[str]:
    """Adds a pod to a service whose clock is ahead or behind by `offset`, and yields its name."""
    template = get("deployment", f"vestibule-{service}")["spec"]["template"]
    name, spec = f"{service}-with-other-clock", template["spec"]
    spec["volumes"].append({"name": "clock", "configMap": {"name": "faketime"}})
    (container,) = spec["containers"]
    container["volumeMounts"].append({"name": "clock", "mountPath": "/clock"})
    settings = {
        "LD_PRELOAD": f"/clock/{FAKETIME.name}",
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }
    container.setdefault("env", []).extend({"name": key, "value": settings[key]} for key in settings)
    metadata = {"name": name, "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    kubectl("create", "configmap", "faketime", f"--from-file={FAKETIME}")
    try:
        run("kubectl", "--namespace", NAMESPACE, "create", "--filename", "-", stdin=json.dumps(pod))
        yield name
    finally:
        kubectl("delete", "pod", name, "--ignore-not-found")
        kubectl("delete", "configmap", "faketime")
