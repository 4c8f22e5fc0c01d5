"""Wrong values are refused with their path and what to do; every value is documented."""

import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devstack import topology
from tests.chart.conftest import CHART, ROOT, Render
from tests.chart.manifests import of_kind

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def refused(helm: Any, *settings: str) -> str:
    """Renders with `--set` and returns why Helm refused."""
    done = helm("template", "vestibule", str(CHART), *(word for each in settings for word in ("--set", each)))
    assert done.returncode != 0, done.stdout
    return str(done.stderr)


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("servces.gateway.replicas=2", "servces"),
        ("services.gatway.replicas=2", "gatway"),
        ("services.gateway.replica=2", "replica"),
        ("defaults.replicas=two", "/defaults/replicas"),
        ("config.logLevel=loud", "/config/logLevel"),
        ("config.publicUrl=id.example.com", "/config/publicUrl"),
        ("config.traceRatio=2", "/config/traceRatio"),
        ("postgres.sslMode=maybe", "/postgres/sslMode"),
        ("profile=lax", "/profile"),
        ("redis.url=redis://user:password@redis", "/redis/url"),
        ("ingress.enabled=yes", "/ingress/enabled"),
        ("networkPolicy.dns=null,networkPolicy.dns={}", "/networkPolicy/dns"),
    ],
)
def test_wrong_values_are_refused_with_their_path(helm: Any, setting: str, path: str) -> None:
    """A misspelt key or a wrong type is named."""
    assert path in refused(helm, setting)


STRICT = [
    "profile=strict,mtls.enabled=true,mtls.secretPrefix=tls",
    "config.publicUrl=https://id.example.com",
    "postgres.sslMode=verify-full",
    "redis.existingSecret=redis",
]


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        (["postgres.maxConnections=100"], "Raise max_connections"),
        (["defaults.autoscaling.minReplicas=9"], "services.auth-service.autoscaling"),
        (["services.gateway.autoscaling.maxReplicas=1"], "Raise maxReplicas or lower minReplicas"),
        (["postgres.caSecret=ca"], "postgres.sslMode verify-full: under prefer"),
        (["redis.caSecret=ca"], "rediss://"),
        (["gatewayApi.enabled=true"], "gatewayApi.parentRefs"),
        (["mtls.enabled=true"], "mtls.secretPrefix"),
        (["mtls.enabled=true", "certManager.enabled=true"], "certManager.internalIssuer.name"),
        (
            ["certManager.enabled=true", "ingress.enabled=true", "ingress.tls.enabled=true"],
            "certManager.publicIssuer.name",
        ),
        (["profile=strict"], "mtls.enabled"),
        ([*STRICT[:1], "config.publicUrl=http://id.example.com"], "config.publicUrl"),
        ([*STRICT[:2]], "postgres.sslMode"),
        ([*STRICT[:3]], "redis.existingSecret"),
        ([*STRICT, "config.rateLimits=false"], "config.rateLimits"),
        ([*STRICT, "postgres.sslMode=verify-ca"], "postgres.sslMode verify-full"),
        ([*STRICT, "mail.url=smtp://mail"], "smtps:// or smtp+starttls://"),
        (["redis.url=redis://redis/0?password=x"], "redis.existingSecret"),
        (["redis.port=6380"], "put the port into redis.url"),
        (["redis.userPerService=true"], "redis.existingSecret"),
        (["postgres.database=x?password=y"], "postgres.existingSecret"),
        (["mail.caSecret=ca"], "mail.url or mail.existingSecret"),
        (["mail.port=25"], "put the port into mail.url"),
        (["defaults.extraEnv[0].name=PROFILE"], "extraEnv of defaults may not have PROFILE"),
        (["services.gateway.extraEnv[0].name=PROFILE"], "extraEnv of gateway may not have PROFILE"),
        (["config.otlpEndpoint=http://collector"], "config.otlpEndpoint names no port"),
        ([r"defaults.podLabels.app\.kubernetes\.io/component=x"], "app.kubernetes.io/component: Services"),
        ([r"commonLabels.app\.kubernetes\.io/name=x"], "app.kubernetes.io/name: Services"),
        ([r"commonLabels.app\.kubernetes\.io/part-of=x"], "app.kubernetes.io/part-of: Services"),
        ([r"defaults.podLabels.app\.kubernetes\.io/part-of=x"], "app.kubernetes.io/part-of: Services"),
        (["services.auth-service.enabled=false"], "does not work without it"),
        (["fullnameOverride=customer-portal-production-eu-vestibule"], "set fullnameOverride to at most 35"),
    ],
)
def test_values_that_do_not_fit_together_say_what_to_do(helm: Any, settings: list[str], advice: str) -> None:
    """What a schema cannot express is checked when rendering."""
    assert advice in refused(helm, *settings)


@pytest.mark.parametrize(
    "value",
    [
        "config.qdrantUrl",
        "config.otlpEndpoint",
        "knowledge.embeddings.url",
        "knowledge.languageModel.url",
        "breachedPasswords.url",
        "voice.transcriber.url",
        "voice.synthesizer.url",
    ],
)
def test_strict_wants_encrypted_backends(helm: Any, value: str) -> None:
    """Before the migrations, where services would refuse after them, or not at all."""
    assert f"needs a {value} that begins with https://" in refused(helm, *STRICT, f"{value}=http://x:8080")


@pytest.mark.parametrize(
    "value",
    [
        "config.publicUrl",
        "config.qdrantUrl",
        "config.otlpEndpoint",
        "config.nextcloudUrl",
        "knowledge.embeddings.url",
        "knowledge.languageModel.url",
        "voice.transcriber.url",
        "voice.synthesizer.url",
    ],
)
def test_urls_without_passwords_and_with_ports_that_exist(helm: Any, value: str) -> None:
    """ConfigMaps show them; the port goes into a network policy."""
    assert f"{value} has a user or a password" in refused(helm, f"{value}=https://user:password@x:80")
    for port in ("0", "65536", "99999999999999999999"):
        assert f"{value} has a port that is none" in refused(helm, f"{value}=https://x:{port}")


def test_pools_fit_into_postgres(helm: Any) -> None:
    """The bound is exact: what the default pods need passes, one connection less does not."""
    needed = 20 + (13 + 13) * (5 + 1) + 3 * 3

    assert helm("template", "x", str(CHART), "--set", f"postgres.maxConnections={needed}").returncode == 0
    assert str(needed) in refused(helm, f"postgres.maxConnections={needed - 1}")


def keys(values: Any, schema: Any) -> Iterator[str]:
    """Yields the paths at which values and schema have different keys."""
    properties = schema.get("properties", {})
    for key in values.keys() ^ properties.keys() if properties else ():
        optional = SCHEMA["$defs"].keys() | {"global"}
        if key not in optional:
            yield key
    for key in values.keys() & properties.keys():
        if isinstance(values[key], dict):
            below = properties[key]
            reference = below.get("$ref", "").rpartition("/")[2]
            yield from (
                f"{key}.{inner}" for inner in keys(values[key], SCHEMA["$defs"].get(reference, below))
            )


def test_schema_knows_the_values_and_no_others() -> None:
    """Every key of `values.yaml` is in the schema and the reverse; nothing is fetched."""
    different = {
        path for path in keys(VALUES, SCHEMA) if not path.endswith(("ephemeral-storage", "limits.cpu"))
    }
    # A service's block may set any part of the defaults.
    different = {path for path in different if not path.startswith("services.")}

    assert different == set()
    assert '$ref": "http' not in (CHART / "values.schema.json").read_text()


def test_readme_is_up_to_date() -> None:
    """The chart's README is what `python helm/write_readme.py` writes; every leaf of the values is in it."""
    spec = importlib.util.spec_from_file_location("write_readme", ROOT / "helm" / "write_readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert (CHART / "README.md").read_text() == module.readme()


SERVICES = [service.name for service in topology.SERVICES]
POSSIBLE_VALUES = st.fixed_dictionaries(
    {
        "fullnameOverride": st.sampled_from(["", "clinic", "a" * 35]),
        "commonLabels": st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["a", "b"])),
        "defaults": st.fixed_dictionaries(
            {
                "replicas": st.integers(0, 4),
                "autoscaling": st.fixed_dictionaries({"enabled": st.booleans()}),
                "podDisruptionBudget": st.fixed_dictionaries({"enabled": st.booleans()}),
                "shutdownGraceSeconds": st.integers(1, 60),
            }
        ),
        "config": st.fixed_dictionaries(
            {
                "dnsTtlSeconds": st.integers(0, 300),
                "rateLimits": st.booleans(),
                "otlpEndpoint": st.sampled_from(["", "http://collector:4317"]),
                "corsOrigins": st.lists(
                    st.sampled_from(["https://a.example", "https://b.example"]), unique=True
                ),
            }
        ),
        "migrations": st.fixed_dictionaries({"enabled": st.booleans()}),
        "networkPolicy": st.fixed_dictionaries({"enabled": st.booleans()}),
        "ingress": st.fixed_dictionaries({"enabled": st.booleans()}),
        "tests": st.fixed_dictionaries({"enabled": st.booleans()}),
    }
)


@pytest.mark.nightly
@given(values=POSSIBLE_VALUES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_allowed_values_render(render: Render, values: dict[str, Any]) -> None:
    """Values that the schema allows render the four services, whatever their combination."""
    manifests = render(values)

    assert len(of_kind(manifests, "Deployment")) == len(SERVICES)
    assert bool(of_kind(manifests, "NetworkPolicy")) is values["networkPolicy"]["enabled"]
    assert bool(of_kind(manifests, "Job")) is values["migrations"]["enabled"]
