"""What operators do to a release on a real cluster, as docs/operations.md has it."""

import base64
import json
import urllib.error

import pytest
from chassis.identity.service_keys import new_key_pair

from tests.cluster.calls import join, sign_in, unharmed
from tests.cluster.conftest import (
    CHART,
    RELEASE,
    SERVICES,
    get,
    given,
    helm,
    in_postgres,
    kubectl,
    note,
    pods,
    run,
    settle,
    upgrade,
)
from tests.cluster.load import clients

pytestmark = pytest.mark.usefixtures("release")


AUTOSCALED = ("defaults.autoscaling.enabled=true", "defaults.autoscaling.maxReplicas=2")
"""As by default; the values for development turn it off."""


def test_restore(url: str) -> None:
    """What the dump has is there, what came later is gone, and neither Helm nor an autoscaler starts pods."""
    upgrade(*AUTOSCALED)
    settle()
    before = join(url)
    in_postgres(
        "sh", "-c",
        "pg_dump --username=postgres --format=custom --schema=auth --schema=users --schema=health"
        ' --extension=pg_trgm --file="$PGDATA/vestibule.dump" vestibule',
    )  # fmt: skip
    after = join(url)
    part_of = "app.kubernetes.io/part-of=vestibule"
    kubectl("scale", "deployment", "--replicas=0", "--selector", part_of)
    kubectl(
        "wait", "--for=delete", "pod", "--timeout=120s",
        "--selector", f"{part_of},app.kubernetes.io/component notin (migration,test,audit)",
    )  # fmt: skip
    in_postgres(
        "sh", "-c",
        'pg_restore --username=postgres --clean --if-exists --dbname=vestibule "$PGDATA/vestibule.dump"',
    )  # fmt: skip
    notes = upgrade(*AUTOSCALED)
    assert "scaled to zero" in notes
    assert not any(pods(service) for service in SERVICES)
    kubectl(
        "scale", "deployment", "--replicas=2",
        "vestibule-gateway", "vestibule-auth-service", "vestibule-user-service",
    )  # fmt: skip
    kubectl("scale", "deployment", "--replicas=1", "vestibule-health-aggregator")
    settle()
    autoscalers = {each["metadata"]["name"] for each in get("hpa")["items"]}
    assert {"vestibule-gateway", "vestibule-auth-service", "vestibule-user-service"} <= autoscalers
    assert {service: len(pods(service)) for service in SERVICES} == {
        "auth-service": 2, "user-service": 2, "gateway": 2, "health-aggregator": 1,
    }  # fmt: skip

    assert sign_in(url, before)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        sign_in(url, after)
    # Helm 4 takes a field back from `kubectl scale` when asked to.
    upgrade(options=("--force-conflicts",) if helm("version", "--short").startswith("v4") else ())
    settle()


def test_rotated_service_key_fails_no_request(url: str) -> None:
    """A service's key is changed by ordinary rollouts: both accepted, then the new one signs, then alone."""
    private, public = new_key_pair()
    old = base64.b64decode(get("secret", "vestibule-service-keys")["data"]["user-service.pem"])
    with clients(url) as tally:
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
    unharmed("user-service's key changed", tally)
    assert sign_in(url, join(url))


def test_uninstall_after_a_failed_install_leaves_no_job() -> None:
    """Helm leaves a migration running that it has waited for in vain; an uninstall ends it."""
    namespace = "vestibule-failed"
    here = ("--namespace", namespace)
    jobs = ("kubectl", *here, "get", "job,pod", "--output", "name")
    # Nothing answers there, so that the migration tries for longer than Helm waits.
    values = given("postgres.provision.existingSecret=", "postgres.host=postgres-gone.backends")
    try:
        with pytest.raises(AssertionError):
            run(
                "helm",
                "install",
                RELEASE,
                str(CHART),
                *here,
                "--create-namespace",
                "--timeout",
                "15s",
                *values,
            )
        assert "job.batch/vestibule-auth-service-migrate" in run(*jobs)

        note("uninstall after a failed install", run("helm", "uninstall", RELEASE, *here).strip())
        assert "job.batch" not in run(*jobs)
        run("kubectl", *here, "wait", "--for=delete", "pod", "--all", "--timeout=60s")
    finally:
        run("kubectl", "delete", "namespace", namespace, "--wait=false")
