"""Secrets are given or generated once; they are never in ConfigMaps, arguments or variables."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from chassis.identity.service_keys import open_service_keys
from chassis.settings import ServiceSettings

from devstack import topology
from tests.chart.conftest import CHART, Render
from tests.chart.manifests import Manifest, containers, environment, name, of_kind, pods

SERVICES = {service.name: service for service in topology.SERVICES}
SECRET_SETTINGS = {
    "SERVICE_KEY",
    "AUTH_MASTER_KEY",
    "AUTH_MASTER_KEYS_ACCEPTED",
    "KNOWLEDGE_MASTER_KEY",
    "KNOWLEDGE_MASTER_KEYS_ACCEPTED",
    "USERS_MASTER_KEY",
    "USERS_MASTER_KEYS_ACCEPTED",
    "PGPASSWORD",
    "BOOTSTRAP_ADMIN_PASSWORD",
}


def generated(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """Returns the content of the generated secrets."""
    return {
        name(secret).removeprefix("vestibule-"): secret["stringData"]
        for secret in of_kind(manifests, "Secret")
    }


def test_generated_secrets_are_strong(render: Render) -> None:
    """What was not given is random, long enough, and different in each release."""
    first, second = generated(render({})), generated(render({}, again=True))

    assert first.keys() == {
        "service-keys",
        "auth-master-key",
        "users-master-key",
        "knowledge-master-key",
        "postgres",
    }
    assert first["service-keys"].keys() == {f"{each}.{end}" for each in SERVICES for end in ("key", "pem")}
    assert len(base64.b64decode(first["auth-master-key"]["AUTH_MASTER_KEY"], validate=True)) == 32
    assert first["postgres"].keys() == {
        "auth_owner",
        "auth_service",
        "users_owner",
        "user_service",
        "health_owner",
        "health_aggregator",
        "knowledge_owner",
        "knowledge_service",
    }
    values = [value for each in (first, second) for secret in each.values() for value in secret.values()]
    assert len(values) == len(set(values))


@pytest.mark.parametrize("service", SERVICES)
def test_generated_key_pairs_work(
    render: Render, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod has its own private key and all public keys where its settings say, and no other private key."""
    manifests = render({})
    held = generated(manifests)["service-keys"]
    deployment = next(each for each in of_kind(manifests, "Deployment") if name(each).endswith(service))
    spec = deployment["spec"]["template"]["spec"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "service-keys")
    (mount,) = (each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "service-keys")
    for item in volume["secret"]["items"]:
        file = tmp_path / item["path"]
        file.parent.mkdir(exist_ok=True)
        file.write_text(held[item["key"]])
    settings = environment(manifests, spec)
    for setting in ("SERVICE_KEY_FILE", "SERVICE_TRUST_DIR"):
        monkeypatch.setenv(setting, (settings[setting] or "").replace(mount["mountPath"], str(tmp_path)))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    keys = open_service_keys(service, ServiceSettings.model_validate({}))
    assert keys.services == set(SERVICES)
    assert keys.is_signed_by(service, "event", b"bytes", keys.sign("event", b"bytes"))
    assert [item["key"] for item in volume["secret"]["items"] if item["key"].endswith(".key")] == [
        f"{service}.key"
    ]


def test_shared_key_is_for_upgrades_only(render: Render) -> None:
    """A fresh install has none; a named one reaches every service, so that old pods are accepted."""
    for values, shared in (({}, set()), ({"secrets": {"serviceKey": "old"}}, {"old"})):
        for deployment in of_kind(render(values), "Deployment"):
            variables = deployment["spec"]["template"]["spec"]["containers"][0].get("env", [])
            found = {
                each["valueFrom"]["secretKeyRef"]["name"]
                for each in variables
                if each["name"] == "SERVICE_KEY"
            }
            assert found == shared


def test_generated_secrets_are_kept(render: Render) -> None:
    """They are hooks that no upgrade renders again, and an uninstall leaves them."""
    for secret in of_kind(render({}), "Secret"):
        assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert secret["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert (CHART / "templates" / "secrets.yaml").read_text().count('lookup "v1" "Secret"') == 3


def test_existing_secrets_win(render: Render) -> None:
    """Where secrets are given, none is generated and the given ones are used."""
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
    """No generated value and no secret setting is in a ConfigMap."""
    manifests = render({})
    maps = of_kind(manifests, "ConfigMap")
    text = json.dumps(maps)

    assert not any(each.get("data", {}).keys() & SECRET_SETTINGS for each in maps)
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
        **{name: {each.schema.runtime} if each.schema else set() for name, each in SERVICES.items()},
        "auth-service": {"AUTH_MASTER_KEY", "AUTH_MASTER_KEYS_ACCEPTED", "auth_service"},
        "user-service": {"USERS_MASTER_KEY", "USERS_MASTER_KEYS_ACCEPTED", "user_service"},
        "knowledge-service": {
            "KNOWLEDGE_MASTER_KEY",
            "KNOWLEDGE_MASTER_KEYS_ACCEPTED",
            "knowledge_service",
        },
        "migration": {each.schema.owner for each in SERVICES.values() if each.schema},
        "test": set(),
    }


def test_who_removes_audit_entries_cannot_sign_for_them(render: Render) -> None:
    """The pruning job has the owner's password and no master key; the exporting job the service's."""
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
        "vestibule-audit-export": {"AUTH_MASTER_KEY", "AUTH_MASTER_KEYS_ACCEPTED", "auth_service"},
    }
    assert not of_kind(render({}), "CronJob")


def test_each_pod_is_its_own_user_of_redis(render: Render) -> None:
    """With one user per service a pod gets its own URL only."""
    values = {"redis": {"existingSecret": "redis-users", "userPerService": True}}
    for deployment in of_kind(render(values), "Deployment"):
        variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        (url,) = (each["valueFrom"]["secretKeyRef"] for each in variables if each["name"] == "REDIS_URL")
        assert url == {"name": "redis-users", "key": name(deployment).removeprefix("vestibule-")}


def test_notes_name_every_master_key_to_back_up(helm: Any) -> None:
    """Of the services that are on, where the chart generates the key."""
    on = "services.knowledge-service.enabled=true,postgres.maxConnections=300"
    arguments = ("install", "vestibule", str(CHART), "--dry-run=client", "--set")
    every = helm(*arguments, on).stdout.partition("NOTES:")[2]
    brought = helm(*arguments, "secrets.usersMasterKey=own").stdout.partition("NOTES:")[2]

    for key in ("auth-master-key", "users-master-key", "knowledge-master-key"):
        assert f"get secret vestibule-{key} -o yaml" in every
    assert re.findall(r"get secret vestibule-(\S+)", brought) == ["auth-master-key"]
