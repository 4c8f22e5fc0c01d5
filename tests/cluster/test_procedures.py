"""What operators do to a release on a real cluster, as docs/operations.md has it."""

import base64
import json
import secrets
import time
import urllib.error
from typing import Any
from urllib.parse import urlsplit

import pytest
from chassis.identity.service_keys import new_key_pair
from redis import Redis

from tests.cluster.calls import call, join, sign_in, unharmed
from tests.cluster.conftest import (
    CHART,
    RELEASE,
    SERVICES,
    forwarded,
    get,
    given,
    in_postgres,
    kubectl,
    note,
    patch_secret,
    pods,
    read_secret,
    restart,
    run,
    settle,
    take_back_replicas,
    until,
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
    take_back_replicas()


def test_rotated_service_keys_fail_no_request(url: str) -> None:
    """All keys are changed by ordinary rollouts: both accepted, the new ones sign, the old ones go."""
    pairs = {service: new_key_pair() for service in SERVICES}
    old = read_secret("vestibule-service-keys")
    with clients(url) as tally:
        for change in (
            {f"{service}.pem": old[f"{service}.pem"] + public for service, (_, public) in pairs.items()},
            {f"{service}.key": private for service, (private, _) in pairs.items()},
            {f"{service}.pem": public for service, (_, public) in pairs.items()},
        ):
            patch_secret("vestibule-service-keys", change)
            restart(SERVICES)
    unharmed("every service's key changed", tally)
    assert sign_in(url, join(url))


def test_rotated_master_key_of_auth_service_fails_no_request(url: str) -> None:
    """Sessions go on, and what the old key encrypted is encrypted again."""
    user = join(url)
    with clients(url) as tally:
        rotate_master_key("auth-service", "vestibule-auth-master-key", "AUTH")
        # Exit status 1: the old key is needed until the last refresh token under it is used or has expired.
        with pytest.raises(AssertionError) as report:
            kubectl(
                "exec", "deployment/vestibule-auth-service", "--", "python", "-m", "auth_service",
                "keys", "reseal",
            )  # fmt: skip
    unharmed("auth-service's master key changed", tally)
    note("keys reseal", str(report.value).partition("\n")[2].strip())
    assert sign_in(url, user)


def test_rotated_master_key_of_user_service_fails_no_request(url: str) -> None:
    """Responses that the old key encrypted are replayed."""
    admin = {key: value.decode() for key, value in read_secret("vestibule-admin").items()}
    key = secrets.token_hex(16)
    hook = {"url": "https://example.com/webhook", "events": ["user.changed"]}

    def add() -> dict[str, Any]:
        token = sign_in(url, admin)
        return dict(call(url, "POST", "/api/admin/webhooks", hook, token=token, idempotency_key=key)["data"])

    added = add()
    try:
        with clients(url) as tally:
            rotate_master_key("user-service", "vestibule-users-master-key", "USERS")
        assert add() == added
    finally:
        path = f"/api/admin/webhooks/{added['id']}"
        call(url, "DELETE", path, token=sign_in(url, admin))
    unharmed("user-service's master key changed", tally)


def rotate_master_key(service: str, name: str, prefix: str) -> None:
    """Has a service read with a new key too, then write with it."""
    secret = read_secret(name)
    old, accepted = secret[f"{prefix}_MASTER_KEY"], secret.get(f"{prefix}_MASTER_KEYS_ACCEPTED")
    new = base64.b64encode(secrets.token_bytes(32))
    # Keys of earlier runs go on being read: refresh tokens depend on them for 30 days.
    earlier = [accepted] if accepted else []
    for writes, reads in ((old, new), (new, old)):
        change = {
            f"{prefix}_MASTER_KEY": writes,
            f"{prefix}_MASTER_KEYS_ACCEPTED": b",".join([reads, *earlier]),
        }
        patch_secret(name, change)
        restart([service])


def test_changed_redis_passwords_fail_no_request(url: str) -> None:
    """Each user of Redis gets a second password, the services use it, and the first one is taken away."""
    urls = {service: each.decode() for service, each in read_secret("vestibule-redis").items()}
    old = {service: urlsplit(each).password or "" for service, each in urls.items()}
    new = {service: secrets.token_urlsafe(24) for service in urls}
    with clients(url) as tally:
        for was, becomes in ((old, new), (new, old)):
            set_redis_users({service: f">{becomes[service]}" for service in urls})
            patch_secret(
                "vestibule-redis",
                {
                    service: each.replace(f":{old[service]}@", f":{becomes[service]}@").encode()
                    for service, each in urls.items()
                },
            )
            restart(SERVICES)
            set_redis_users({service: f"<{was[service]}" for service in urls})
    unharmed("passwords of Redis changed, and back", tally)
    states = {each["name"]: each["state"] for each in call(url, "GET", "/api/health")["data"]["components"]}
    assert states["redis"] == "up"


def set_redis_users(rules: dict[str, str]) -> None:
    """Changes users of the Valkey of `backends`, whose file of users cannot be written."""
    with forwarded("deployment/valkey", 6379, "backends") as address:
        host, port = address.split(":")
        with Redis(host=host, port=int(port), username="admin", password="development-admin") as redis:
            for user, rule in rules.items():
                redis.execute_command("ACL", "SETUSER", user, rule)


def test_autoscaler_adds_pods_and_fails_no_request(url: str) -> None:
    """Load that one pod is too few for starts a second one of auth-service."""
    apis = json.loads(run("kubectl", "get", "apiservices", "--output", "json"))["items"]
    if "v1beta1.metrics.k8s.io" not in {each["metadata"]["name"] for each in apis}:
        pytest.skip("an autoscaler needs a metrics server")
    upgrade(
        *AUTOSCALED,
        "defaults.autoscaling.minReplicas=1",
        # A percentage of the request that the load of these tests passes at any rate.
        "services.auth-service.autoscaling.targetCPUUtilizationPercentage=20",
    )
    settle()
    before = len(pods("auth-service"))
    with clients(url) as tally:
        # An autoscaler looks every 15 seconds, and not at pods that have just started.
        until(lambda: len(pods("auth-service")) == 2, 240, "no pod was added")
        settle()
        time.sleep(30)
    note("pods of auth-service", f"{before}, then {len(pods('auth-service'))}")
    take_back_replicas()
    unharmed("autoscaled", tally)


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
