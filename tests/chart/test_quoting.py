"""Values stay what they are, whatever characters they have: text is text, and integers have their digits."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.conftest import CHART, Render
from tests.chart.manifests import Manifest, environment, name, of_kind, pods

NUMBER = 1_000_000


def test_large_integers_keep_their_digits(render: Render) -> None:
    """Helm reads numbers of a file as floats, and would write a million as 1e+06."""
    manifests = render(
        {
            "config": {"clientLimit": NUMBER},
            "defaults": {"podDisruptionBudget": {"maxUnavailable": NUMBER}},
            "migrations": {"activeDeadlineSeconds": NUMBER, "ttlSecondsAfterFinished": NUMBER},
            "audit": {"retentionYears": 7, "activeDeadlineSeconds": NUMBER},
        }
    )
    given = {
        title: environment(manifests, spec)
        for title, _, spec in pods(manifests)
        if title.startswith("Deployment/")
    }

    assert given["Deployment/vestibule-gateway"]["GATEWAY_CLIENT_LIMIT"] == str(NUMBER)
    assert "1e+06" not in yaml.safe_dump(manifests)
    for job in of_kind(manifests, "Job"):
        assert job["spec"]["activeDeadlineSeconds"] == job["spec"]["ttlSecondsAfterFinished"] == NUMBER
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] == NUMBER


def test_every_host_name_and_path(render: Render) -> None:
    """Among them those that YAML reads as an alias or a number."""
    hosts = ["*.example.com", "1234"]
    paths = ["/", "/a: b", "/#c"]
    manifests = render(
        {
            "publicPaths": paths,
            "ingress": {"enabled": True, "className": "1234", "hosts": hosts},
            "gatewayApi": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": hosts},
        }
    )
    (ingress,) = of_kind(manifests, "Ingress")
    (route,) = of_kind(manifests, "HTTPRoute")

    assert [rule["host"] for rule in ingress["spec"]["rules"]] == hosts
    assert ingress["spec"]["ingressClassName"] == "1234"
    assert {path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]} == {*paths}
    assert [each["path"]["value"] for each in route["spec"]["rules"][0]["matches"]] == paths


def test_no_key_is_written_twice(helm: Any, tmp_path: Path) -> None:
    """A label in several places of the values, or one that the chart has as well, has one value."""
    values = {
        "commonLabels": {"team": "identity", "app.kubernetes.io/version": "own"},
        "defaults": {
            "podLabels": {"team": "pods", "helm.sh/chart": "own"},
            "podAnnotations": {"health.vestibule/watch": "false"},
        },
        "metrics": {
            kind: {"enabled": True, "labels": {"team": "metrics"}}
            for kind in ("serviceMonitor", "prometheusRule", "dashboards")
        },
    }
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    done = helm("template", "vestibule", str(CHART), "--values", str(path))
    assert done.returncode == 0, done.stderr
    manifests = [each for each in yaml.load_all(done.stdout, Once) if each]

    for deployment in of_kind(manifests, "Deployment"):
        metadata = deployment["spec"]["template"]["metadata"]
        assert metadata["labels"]["team"] == "pods"
        assert metadata["labels"]["app.kubernetes.io/version"] == "own"
        assert metadata["annotations"]["health.vestibule/watch"] == "false"
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    assert monitor["metadata"]["labels"]["team"] == "metrics"


class Once(yaml.SafeLoader):
    """Refuses a key that a mapping has twice, as kustomize does."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Constructs a mapping."""
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), keys
        return super().construct_mapping(node, deep)


def texts(value: Any, keys: tuple[str, ...]) -> list[Any]:
    """Returns what stands under some keys, at any depth."""
    if isinstance(value, list):
        return [found for each in value for found in texts(each, keys)]
    if not isinstance(value, dict):
        return []
    return [
        found
        for key, each in value.items()
        for found in ([each] if key in keys and not isinstance(each, dict | list) else texts(each, keys))
    ]


@pytest.mark.parametrize("number", ["1234", "1e3"])
def test_names_of_digits_are_text(helm: Any, number: str) -> None:
    """Of the release, the namespace, secrets, claims, classes and images."""
    secret = [
        "image.pullSecrets[0]",
        "secrets.serviceKeys",
        "secrets.authMasterKey",
        "secrets.bootstrapAdmin",
        "postgres.existingSecret",
        "postgres.provision.existingSecret",
        "redis.existingSecret",
        "mail.existingSecret",
        "breachedPasswords.existingClaim",
        "audit.export.existingClaim",
        "ingress.tls.secretName",
        "defaults.priorityClassName",
        "fullnameOverride",
        "nameOverride",
        "services.gateway.image",
    ]
    settings = [word for path in secret for word in ("--set-string", f"{path}={number}")]
    switches = (
        "audit.export.enabled=true,ingress.enabled=true,ingress.tls.enabled=true,certManager.enabled=true,"
        "certManager.publicIssuer.name=x,metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true"
    )
    done = helm("template", number, str(CHART), "--namespace", number, *settings, "--set", switches)
    assert done.returncode == 0, done.stderr
    manifests: list[Manifest] = [each for each in yaml.safe_load_all(done.stdout) if each]
    keys = ("name", "namespace", "secretName", "claimName", "priorityClassName", "image", "key")

    assert len(manifests) > 20
    for manifest in manifests:
        # YAML 1.1 and Go's reader differ about 1e3: what is written has quotes.
        assert all(isinstance(each, str) for each in texts(manifest, keys)), name(manifest)
        labels = manifest["metadata"]["labels"]
        assert all(isinstance(each, str) for each in labels.values()), name(manifest)
    bare = [line for line in done.stdout.splitlines() if line.endswith(f" {number}")]
    assert bare == []
