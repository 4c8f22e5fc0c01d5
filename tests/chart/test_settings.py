"""Pods are given what their service reads: every setting that it needs, and none that it does not know."""

import base64
import json
from importlib import import_module
from pathlib import Path

import pytest
from auth_service import settings as auth
from chassis.settings import (
    MigrationSettings,
    ProvisionSettings,
    ServiceSettings,
    environment_name,
    prefixed,
)
from devstack.topology import BY_NAME, SERVICES
from pydantic_settings import BaseSettings

from tests.chart.conftest import CHART, Render
from tests.chart.manifests import Manifest, containers, environment, name, of_kind, pods

SERVING: dict[str, type[BaseSettings]] = {
    service.name: import_module(f"{service.module}.__main__").service.settings for service in SERVICES
}
PREFIXES = {service.name: f"{service.prefix}_" for service in SERVICES if service.schema is not None}
MIGRATING: dict[str, type[BaseSettings]] = {
    service: prefixed(MigrationSettings, prefix) for service, prefix in PREFIXES.items()
}
PROVISIONING: dict[str, type[BaseSettings]] = {
    service: prefixed(ProvisionSettings, prefix) for service, prefix in PREFIXES.items()
}
AUDITING: dict[str, type[BaseSettings]] = {"export": auth.AuditSettings, "prune": auth.PruneSettings}
LIBRARIES = {"OTEL_EXPORTER_OTLP_CERTIFICATE"}
"""Read by the exporter of traces itself."""

DRIVERS = {"PGPASSWORD"}
"""Read by the Postgres driver itself, so that no URL holds a password."""

LEFT_ALONE = {
    "AUTH_HASH_WORKERS",
    "AUTH_MAIL_DIR",
    "AUTH_PASSKEY_ORIGINS",
    "AUTH_PASSKEY_RP_ID",
    "AUTH_PASSKEY_RP_NAME",
    "PUBLIC_URL",
    "GATEWAY_DESCRIPTORS",
    "HEALTH_TOPOLOGY",
    "HEALTH_CONFIG",
    "HEALTH_KUBERNETES_URL",
    "HEALTH_KUBERNETES_NAMESPACE",
    "KNOWLEDGE_LOCAL_EMBEDDER",
    "USERS_WEBHOOK_NETWORKS",
}
"""Settings that may stay unset in a pod; `extraEnv` can set them."""


UPGRADING = {"SERVICE_KEY"}
"""Set only while pods of the last release are there."""


def known(settings: type[BaseSettings]) -> set[str]:
    """Returns the variables that a settings class reads."""
    return {environment_name(settings, field) for field in settings.model_fields}


def required(settings: type[BaseSettings]) -> set[str]:
    """Returns the variables without which it refuses to start."""
    fields = settings.model_fields.items()
    return {environment_name(settings, field) for field, info in fields if info.is_required()}


def settings_of(title: str, metadata: Manifest, spec: Manifest) -> type[BaseSettings] | None:
    """Returns the settings that a pod's command reads; None for the test's."""
    if metadata["labels"]["app.kubernetes.io/component"] == "test":
        return None
    (container,) = containers(spec)
    if container["name"] in AUDITING:
        return AUDITING[container["name"]]
    kind = {"migrate": MIGRATING, "provision": PROVISIONING, None: SERVING}[
        next(iter(container.get("args", [])), None)
    ]
    return next(kind[service] for service in kind if service in title)


def unset(settings: type[BaseSettings]) -> set[str]:
    """Returns the variables that switch something on: without them there is nothing in their place."""
    fields = settings.model_fields.items()
    return {environment_name(settings, field) for field, info in fields if info.default in (None, (), "")}


def test_pods_have_the_settings_that_they_read(manifests: list[Manifest]) -> None:
    """Every variable is one that the service reads, and every one that it needs is there."""
    looked = 0
    for title, metadata, spec in pods(manifests):
        settings = settings_of(title, metadata, spec)
        if settings is not None:
            given = environment(manifests, spec).keys() - DRIVERS - LIBRARIES
            assert given <= known(settings), title
            assert given >= required(settings), title
            looked += 1

    assert looked >= len(SERVING)


def test_every_setting_has_its_place(render: Render) -> None:
    """All value sets together set every setting that has no default, but for those that may stay unset."""
    given: dict[str, set[str]] = {service: set() for service in SERVING}
    for path in (CHART / "ci").glob("*-values.yaml"):
        manifests = render(path)
        for deployment in of_kind(manifests, "Deployment"):
            service = next(service for service in SERVING if name(deployment).endswith(service))
            given[service] |= environment(manifests, deployment["spec"]["template"]["spec"]).keys()

    missing = {
        variable
        for service in SERVING
        for variable in unset(SERVING[service]) - given[service] - LEFT_ALONE - UPGRADING
        if variable not in DRIVERS or BY_NAME[service].schema
    }
    assert missing == set()


@pytest.mark.parametrize("service", SERVING)
def test_services_accept_their_settings(
    manifests: list[Manifest], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings class of each service accepts the rendered values."""
    secrets = {
        "SERVICE_KEY": "k" * 48,
        "AUTH_MASTER_KEY": "A" * 43 + "=",
        "KNOWLEDGE_MASTER_KEY": "A" * 43 + "=",
        "USERS_MASTER_KEY": "A" * 43 + "=",
        "USERS_MASTER_KEYS_ACCEPTED": "B" * 43 + "=",
        "KNOWLEDGE_MASTER_KEYS_ACCEPTED": "B" * 43 + "=",
        "AUTH_MASTER_KEYS_ACCEPTED": "B" * 43 + "=",
        "REDIS_URL": "rediss://user:secret@redis:6379/0",
        "SMTP_URL": "smtps://user:secret@mail:465",
        "BOOTSTRAP_ADMIN_EMAIL": "admin@example.com",
        "BOOTSTRAP_ADMIN_PASSWORD": "correct-horse-battery",
        "PGPASSWORD": "secret",
        "KNOWLEDGE_EMBEDDINGS_API_KEY": "secret",
        "KNOWLEDGE_LLM_API_KEY": "secret",
        "KNOWLEDGE_QDRANT_API_KEY": "secret",
        "VOICE_TRANSCRIBER_KEY": "secret",
        "VOICE_SYNTHESIZER_KEY": "secret",
    }
    for deployment in of_kind(manifests, "Deployment"):
        if name(deployment).endswith(service):
            given = environment(manifests, deployment["spec"]["template"]["spec"])
            for variable, value in given.items():
                monkeypatch.setenv(variable, secrets[variable] if value is None else value)

    settings = SERVING[service]()

    if service == "gateway":
        upstreams = json.loads(configured(manifests, "GATEWAY_UPSTREAMS"))
        assert {package: upstream.address for package, upstream in settings.upstreams.items()} == {  # type: ignore[attr-defined]
            package: upstream["address"] for package, upstream in upstreams.items()
        }


@pytest.mark.parametrize("service", SERVING)
def test_one_value_makes_every_service_strict(
    render: Render, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`profile: strict` reaches all of them, and with drawn secrets they find nothing to refuse."""
    drawn = "n0tqQmBf3xkVw7YcR5sHzJ2aLpG8eDu9"
    given = {
        "SERVICE_KEY": drawn,
        "AUTH_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
        "KNOWLEDGE_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
        "USERS_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
        "USERS_MASTER_KEYS_ACCEPTED": base64.b64encode(bytes(range(1, 33))).decode(),
        "KNOWLEDGE_MASTER_KEYS_ACCEPTED": base64.b64encode(bytes(range(1, 33))).decode(),
        "AUTH_MASTER_KEYS_ACCEPTED": base64.b64encode(bytes(range(1, 33))).decode(),
        "REDIS_URL": f"rediss://:{drawn}@redis:6379/0",
        "SMTP_URL": f"smtps://me:{drawn}@mail:465",
        "PGPASSWORD": drawn,
    }
    manifests = render(CHART / "ci" / "strict-values.yaml")
    (deployment,) = (
        each for each in of_kind(manifests, "Deployment") if name(each) == f"vestibule-{service}"
    )
    for variable, value in environment(manifests, deployment["spec"]["template"]["spec"]).items():
        monkeypatch.setenv(variable, given[variable] if value is None else value)

    settings = SERVING[service]()

    assert isinstance(settings, ServiceSettings)
    assert (settings.is_strict, settings.shortcomings()) == (True, [])


def configured(manifests: list[Manifest], variable: str) -> str:
    """Returns what a ConfigMap says of a variable."""
    return next(
        str(each["data"][variable])
        for each in of_kind(manifests, "ConfigMap")
        if variable in each.get("data", {})
    )


def test_addresses_are_those_of_the_services(manifests: list[Manifest]) -> None:
    """Whom a service calls is there under that name and port."""
    there = {
        f"{name(service)}:{port['port']}"
        for service in of_kind(manifests, "Service")
        for port in service["spec"]["ports"]
        if port["name"] == "grpc"
    }
    called = {
        value
        for each in of_kind(manifests, "ConfigMap")
        for variable, value in each.get("data", {}).items()
        if variable.endswith("_ADDRESS")
    }
    upstreams = json.loads(configured(manifests, "GATEWAY_UPSTREAMS"))

    assert called | {upstream["address"] for upstream in upstreams.values()} == there


def test_metrics_are_read_where_they_are_served(render: Render) -> None:
    """The aggregator asks each service at its HTTP port, and itself."""
    manifests = render({})
    asked = json.loads(configured(manifests, "HEALTH_METRICS"))
    there = {
        f"{name(service)}:{port['port']}"
        for service in of_kind(manifests, "Service")
        for port in service["spec"]["ports"]
        if port["name"] == "http"
    }

    assert asked.keys() == SERVING.keys()
    assert {address for service, address in asked.items() if service != "health-aggregator"} <= there
    assert asked["health-aggregator"].startswith("127.0.0.1:")


def test_tls_serves_from_files_that_are_mounted(render: Render) -> None:
    """Under mTLS each service reads its own certificate; the database's authority is mounted for all."""
    postgres = {"caSecret": "database-ca", "sslMode": "verify-full"}
    manifests = render(CHART / "ci" / "mtls-values.yaml", {"postgres": postgres})

    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        given = environment(manifests, spec)
        (container,) = spec["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        for variable in ("TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CA_FILE"):
            assert str(Path(given[variable] or "").parent) in mounts
        secret = next(volume for volume in spec["volumes"] if volume["name"] == "certificates")["secret"]
        assert secret["secretName"].endswith(name(deployment).split("-", 1)[1])
    for job in of_kind(manifests, "Job"):
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert "sslrootcert=/etc/vestibule/postgres/ca.crt" in json.dumps(container["env"])
        assert {mount["name"] for mount in container["volumeMounts"]} == {"tmp", "postgres-ca"}


def test_authorities_of_backends_are_mounted_where_they_are_named(render: Render) -> None:
    """Redis' and others for every service, the mail server's for auth-service; jobs call none of them."""
    secrets = {"redis": {"caSecret": "redis-ca"}, "mail": {"caSecret": "123"}, "trust": {"caSecret": "own"}}
    manifests = render(CHART / "ci" / "production-values.yaml", secrets)

    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        given = environment(manifests, spec)
        (container,) = spec["containers"]
        folders = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        sources = {volume["name"]: volume.get("secret", {}).get("secretName") for volume in spec["volumes"]}
        wanted = {
            "REDIS_CA_FILE": "redis-ca",
            "SSL_CERT_FILE": "own",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "own",
        }
        if name(deployment).endswith("auth-service"):
            wanted["SMTP_CA_FILE"] = "123"
        files = {variable: given.get(variable) for variable in (*wanted, "SMTP_CA_FILE")}
        found = {
            variable: sources[folders[str(Path(file).parent)]]
            for variable, file in files.items()
            if file is not None
        }
        assert found == wanted
    for job in of_kind(manifests, "Job"):
        spec = job["spec"]["template"]["spec"]
        assert {volume["name"] for volume in spec["volumes"]} == {"tmp", "postgres-ca"}
