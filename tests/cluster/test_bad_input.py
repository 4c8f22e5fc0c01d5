"""Mistakes of an operator on a real cluster: Helm, the pods or the last log line say enough to repair them.

Each is an upgrade of the running release, which must go on serving meanwhile.
"""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.cluster.calls import join, sign_in
from tests.cluster.conftest import kubectl, note, pods, read_secret, ready, run, until, upgrade

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
