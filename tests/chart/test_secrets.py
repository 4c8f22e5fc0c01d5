"""Secrets come from outside, or are made once; they are never where people look."""

import base64
import json

from tests.chart.conftest import CHART, Render
from tests.chart.manifests import Manifest, containers, name, of_kind, pods

SECRET_SETTINGS = {"SERVICE_KEY", "AUTH_MASTER_KEY", "PGPASSWORD", "BOOTSTRAP_ADMIN_PASSWORD"}


def generated(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """Returns what the generated secrets hold."""
    return {
        name(secret).removeprefix("vestibule-"): secret["stringData"]
        for secret in of_kind(manifests, "Secret")
    }


def test_generated_secrets_are_strong(render: Render) -> None:
    """What nobody brought is random, long enough, and another in each release."""
    first, second = generated(render({})), generated(render({}))

    assert first.keys() == {"service-key", "auth-master-key", "postgres"}
    assert len(first["service-key"]["SERVICE_KEY"]) >= 32
    assert len(base64.b64decode(first["auth-master-key"]["AUTH_MASTER_KEY"], validate=True)) == 32
    assert first["postgres"].keys() == {
        "auth_owner",
        "auth_service",
        "users_owner",
        "user_service",
        "health_owner",
        "health_aggregator",
    }
    values = [value for each in (first, second) for secret in each.values() for value in secret.values()]
    assert len(values) == len(set(values))


def test_generated_secrets_are_kept(render: Render) -> None:
    """They are hooks that no upgrade renders again once they exist, and an uninstall leaves them."""
    for secret in of_kind(render({}), "Secret"):
        assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert secret["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert (CHART / "templates" / "secrets.yaml").read_text().count('lookup "v1" "Secret"') == 3


def test_existing_secrets_win(render: Render) -> None:
    """Where secrets are brought, none is made and the brought ones are used."""
    manifests = render(CHART / "ci" / "production-values.yaml")

    assert of_kind(manifests, "Secret") == []


def test_secrets_are_references_only(manifests: list[Manifest]) -> None:
    """No secret setting has its value in a pod's environment, and none is an argument."""
    for title, _, spec in pods(manifests):
        for container in containers(spec):
            for variable in container.get("env", []):
                if variable["name"] in SECRET_SETTINGS:
                    assert "secretKeyRef" in variable["valueFrom"], (title, variable["name"])
            words = " ".join([*container.get("command", []), *container.get("args", [])])
            assert not any(setting in words for setting in SECRET_SETTINGS), title


def test_config_maps_hold_nothing_secret(render: Render) -> None:
    """No generated value and no secret setting stands in a ConfigMap."""
    manifests = render({})
    text = json.dumps(of_kind(manifests, "ConfigMap"))

    assert not any(setting in text for setting in SECRET_SETTINGS)
    assert not any(value in text for secret in generated(manifests).values() for value in secret.values())


def test_pods_get_their_own_secrets_only(render: Render) -> None:
    """A pod names the secrets that its service needs, and the password of its own role."""
    keys: dict[str, set[str]] = {}
    for _, metadata, spec in pods(render({})):
        used = keys.setdefault(metadata["labels"]["app.kubernetes.io/component"], set())
        for container in containers(spec):
            for variable in container.get("env", []):
                if "valueFrom" in variable:
                    used.add(variable["valueFrom"]["secretKeyRef"]["key"])

    assert keys == {
        "gateway": {"SERVICE_KEY"},
        "auth-service": {"SERVICE_KEY", "AUTH_MASTER_KEY", "auth_service"},
        "user-service": {"SERVICE_KEY", "user_service"},
        "health-aggregator": {"SERVICE_KEY", "health_aggregator"},
        "migration": {"auth_owner", "users_owner", "health_owner"},
        "test": set(),
    }


def test_who_removes_audit_entries_cannot_sign_for_them(render: Render) -> None:
    """The job that prunes has the owner's password and no master key; that which exports the service's."""
    values = {"audit": {"retentionYears": 6, "export": {"enabled": True, "existingClaim": "files"}}}
    jobs = {
        name(job): job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        for job in of_kind(render(values), "CronJob")
    }
    keys = {
        job: {
            variable["valueFrom"]["secretKeyRef"]["key"]
            for container in containers(spec)
            for variable in container["env"]
            if "valueFrom" in variable
        }
        for job, spec in jobs.items()
    }

    assert keys == {
        "vestibule-audit-prune": {"auth_owner"},
        "vestibule-audit-export": {"AUTH_MASTER_KEY", "auth_service"},
    }
    assert not of_kind(render({}), "CronJob")
