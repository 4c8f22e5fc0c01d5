"""Mistakes of an operator on a real cluster: Helm, the pods or the last log line say enough to repair them.

Each is an upgrade of the running release, which must go on serving meanwhile.
"""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.calls import join, sign_in
from tests.cluster.conftest import SERVICES, get, kubectl, note, pods, ready, run, settle, until, upgrade

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
    settle()


def refused(*settings: str, timeout: str = "45s") -> str:
    """Upgrades with a mistake and returns what Helm said."""
    started = time.monotonic()
    with pytest.raises(AssertionError) as refusal:
        upgrade(*settings, options=("--timeout", timeout))
    text = str(refusal.value)
    note(
        "helm", f"{', '.join(settings)}: {time.monotonic() - started:.0f} s: {text.strip().splitlines()[-1]}"
    )
    return text


def secret(name: str, data: dict[str, str]) -> None:
    """Creates a secret, or replaces it."""
    kubectl("delete", "secret", name, "--ignore-not-found")
    kubectl("create", "secret", "generic", name, *(f"--from-literal={key}={data[key]}" for key in data))


def newest(service: str) -> dict[str, Any]:
    """Returns the pod of a service that was created last."""
    return max(pods(service), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def last_line(pod: dict[str, Any]) -> str:
    """Returns the last line that a pod logged, of its last attempt when this one has said nothing yet."""
    name = pod["metadata"]["name"]
    restarts = pod["status"]["containerStatuses"][0]["restartCount"]
    line = kubectl("logs", name, "--tail=1").strip()
    if not line and restarts:
        line = kubectl("logs", name, "--tail=1", "--previous").strip()
    note(name.rpartition("-")[0], line[:400])
    return line


def column(pod: dict[str, Any]) -> str:
    """Returns what `kubectl get pods` shows of a pod."""
    return kubectl("get", "pod", pod["metadata"]["name"], "--no-headers")


def waiting_reason(pod: dict[str, Any]) -> str:
    """Returns why a pod's container waits, in a word of Kubernetes."""
    found = get("pod", pod["metadata"]["name"])["status"].get("containerStatuses", [{}])[0]
    return str(found.get("state", {}).get("waiting", {}).get("reason", ""))


def test_wrong_database_password() -> None:
    """The migration fails at once, and Helm prints what Postgres said."""
    passwords = get("secret", "vestibule-postgres")["data"]
    wrong = {key: base64.b64decode(passwords[key]).decode() for key in passwords}
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
    "protected": ("redis://valkey-protected.backends:6379/0", "takes no connections from outside"),
    "gone": ("redis://valkey-gone.backends:6379/0", "start Redis, or correct the host and port"),
    "unknown": ("redis://no-such-name.backends:6379/0", "correct the host in REDIS_URL"),
}
"""For each way to be refused, the URL that leads to it and what the advice is."""

FIRST = {
    "auth-service": "NOAUTH",
    "user-service": "NOPERM",
    "gateway": "gone",
    "health-aggregator": "WRONGPASS",
}
SECOND = {
    "auth-service": "gone",
    "user-service": "protected",
    "gateway": "NOPERM",
    "health-aggregator": "unknown",
}


@pytest.mark.usefixtures("other_redis")
@pytest.mark.parametrize("mistakes", [FIRST, SECOND], ids=["first", "second"])
def test_redis_refuses(mistakes: dict[str, str]) -> None:
    """Whatever Redis says, the last line of the log has it, with what to do."""
    secret("wrong-redis", {service: REFUSALS[kind][0] for service, kind in mistakes.items()})

    refused("redis.existingSecret=wrong-redis")

    for service, kind in mistakes.items():
        assert REFUSALS[kind][1] in last_line(newest(service)), (service, kind)
        note(service, column(newest(service)).strip())


def test_missing_secret() -> None:
    """`kubectl get pods` says that it cannot be configured, its events name the secret."""
    refused("redis.existingSecret=no-such-secret")

    for service in SERVICES:
        pod = newest(service)
        assert waiting_reason(pod) == "CreateContainerConfigError"
        assert "CreateContainerConfigError" in column(pod)
        assert 'secret "no-such-secret" not found' in kubectl("describe", "pod", pod["metadata"]["name"])


def test_image_that_is_not_there() -> None:
    """`kubectl get pods` says that it cannot be pulled, its events name the image."""
    said = refused("services.gateway.image=registry.invalid/gateway:none")
    note("helm", said.strip()[-300:])

    pod = newest("gateway")
    until(lambda: waiting_reason(pod) in {"ErrImagePull", "ImagePullBackOff"}, 30, "the image was pulled")
    assert "registry.invalid/gateway:none" in kubectl("describe", "pod", pod["metadata"]["name"])


def test_no_node_has_room() -> None:
    """The pod stays `Pending`, and its events say what is missing."""
    said = refused("services.user-service.resources.requests.cpu=500")
    note("helm", said.strip()[-300:])

    pod = newest("user-service")
    assert "Pending" in column(pod)
    assert "Insufficient cpu" in kubectl("describe", "pod", pod["metadata"]["name"])
