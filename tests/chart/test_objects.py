"""Every value set renders objects that Kubernetes accepts, and that fit one another."""

import functools
import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from devstack.topology import SERVICES

from tests.chart.conftest import CHART, ROOT, VALUE_SETS, Render
from tests.chart.manifests import Manifest, containers, hook, name, of_kind, pods, selects

KUBERNETES = ("1.31", "1.34", "1.37")

CUSTOM = {"cert-manager.io", "monitoring.coreos.com", "gateway.networking.k8s.io", "postgresql.cnpg.io"}
"""Groups of other projects, which test_custom_resources.py checks."""

OF_TOOLS = {"kind.x-k8s.io", "kustomize.config.k8s.io"}
"""Files of programs, which no cluster receives."""

OPERATORS = {"/metrics", "/ready"}
"""What the gateway reports to operators."""

# The library reads both files, of megabytes, once per object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


@functools.cache
def validate(manifest: str, version: str) -> None:
    """Validates an object against a version's schema; most objects are the same in many value sets."""
    kubernetes_validate.validate(json.loads(manifest), version, strict=True)


def test_value_sets_cover_the_common_cases() -> None:
    """There are at least eight value sets, including the four of the contract."""
    kept = {path.stem.removesuffix("-values") for path in VALUE_SETS}

    assert len(kept) >= 8
    assert kept >= {"minimal", "production", "gateway-api", "mtls"}


def test_chart_passes_helm_lint(helm: Any) -> None:
    """`helm lint --strict` finds nothing."""
    done = helm("lint", "--strict", str(CHART))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_are_valid(manifests: list[Manifest], version: str) -> None:
    """Every object of Kubernetes is valid against the strict schema of each version."""
    own = [manifest for manifest in manifests if manifest["apiVersion"].split("/")[0] not in CUSTOM]

    for manifest in own:
        validate(json.dumps(manifest, sort_keys=True), version)

    assert len(own) > 20


@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_around_the_release_are_valid(version: str) -> None:
    """So are the files in `k8s/` for development, debugging, verifying and production."""
    written = [each for path in ROOT.glob("k8s/**/*.yaml") for each in yaml.safe_load_all(path.read_text())]
    own = [each for each in written if each and each["apiVersion"].split("/")[0] not in CUSTOM | OF_TOOLS]

    for manifest in own:
        validate(json.dumps(manifest, sort_keys=True), version)

    assert len(own) > 20


@pytest.mark.nightly
def test_helm_3_renders_the_same(helm: Any, helm_3: Any) -> None:
    """The objects do not depend on the version of Helm; generated secrets always differ."""
    assert helm("version", "--short").stdout.startswith("v4.")
    assert helm_3("version", "--short").stdout.startswith("v3.")
    values = str(CHART / "ci" / "production-values.yaml")
    arguments = ("template", "vestibule", str(CHART), "--namespace", "vestibule", "--values", values)
    by_4, by_3 = (_but_secrets(run(*arguments).stdout) for run in (helm, helm_3))

    assert by_3 == by_4
    assert len(by_3) > 20


def _but_secrets(rendered: str) -> dict[tuple[str, str], Manifest]:
    found = [each for each in yaml.safe_load_all(rendered) if each and each["kind"] != "Secret"]
    return {(each["kind"], name(each)): each for each in found}


def test_names_are_unique(manifests: list[Manifest]) -> None:
    """No two objects of a kind share a name, but for a job and what stops it."""
    seen = [(manifest["kind"], name(manifest)) for manifest in manifests if hook(manifest) != "pre-delete"]

    assert sorted(set(seen)) == sorted(seen)


def test_what_checkov_is_not_to_find_has_reasons(render: Render) -> None:
    """On everything that runs pods: there it looks for `checkov.io/skip…`."""
    manifests = render({"audit": {"retentionYears": 6}})
    running = [each for kind in ("Deployment", "Job", "CronJob") for each in of_kind(manifests, kind)]

    assert {each["kind"] for each in running} == {"Deployment", "Job", "CronJob"}
    for each in running:
        assert "checkov.io/skip1" in each["metadata"].get("annotations", {}), each["metadata"]["name"]


def test_objects_stay_in_the_namespace(manifests: list[Manifest]) -> None:
    """No object is outside the release's namespace, and none is cluster-wide."""
    assert {manifest["metadata"].get("namespace") for manifest in manifests} == {"vestibule"}


def test_services_select_one_deployment(manifests: list[Manifest]) -> None:
    """Each Service reaches the pods of exactly one Deployment, at ports that they have."""
    deployments = of_kind(manifests, "Deployment")

    for service in of_kind(manifests, "Service"):
        chosen = [
            deployment
            for deployment in deployments
            if selects(service["spec"]["selector"], deployment["spec"]["template"]["metadata"]["labels"])
        ]
        assert [name(service)] == [name(deployment) for deployment in chosen]
        (container,) = chosen[0]["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports


def test_services_of_grpc_are_headless(manifests: list[Manifest]) -> None:
    """Clients of gRPC see every pod; the gateway has one address."""
    headless = {
        name(service): service["spec"].get("clusterIP") == "None" for service in of_kind(manifests, "Service")
    }

    assert {key.split("-", 1)[1]: value for key, value in headless.items()} == {
        each.name: each.grpc_port is not None for each in SERVICES
    }


def test_deployments_select_their_own_pods(manifests: list[Manifest]) -> None:
    """Selectors match the template, and no other Deployment's."""
    deployments = of_kind(manifests, "Deployment")

    for deployment in deployments:
        selector = deployment["spec"]["selector"]["matchLabels"]
        matching = [
            name(other)
            for other in deployments
            if selects(selector, other["spec"]["template"]["metadata"]["labels"])
        ]
        assert matching == [name(deployment)]


def test_autoscalers_and_budgets_point_at_deployments(manifests: list[Manifest]) -> None:
    """An HPA names a Deployment, which starts with its minimum of pods; a PDB selects one Deployment."""
    deployments = {name(deployment): deployment["spec"] for deployment in of_kind(manifests, "Deployment")}

    scaled = {
        scaler["spec"]["scaleTargetRef"]["name"] for scaler in of_kind(manifests, "HorizontalPodAutoscaler")
    }
    assert scaled <= deployments.keys()
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = deployments[scaler["spec"]["scaleTargetRef"]["name"]]
        assert target["replicas"] == scaler["spec"]["minReplicas"]
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        selector = budget["spec"]["selector"]["matchLabels"]
        labels = deployments[name(budget)]["template"]["metadata"]["labels"]
        assert selects(selector, labels)


def test_references_exist(manifests: list[Manifest], value_set: Path) -> None:
    """ConfigMaps, service accounts and generated secrets that pods name are in the release."""
    existing = {(manifest["kind"], name(manifest)) for manifest in manifests}
    brought = {"production": {"vestibule-database", "vestibule-redis", "vestibule-service-keys"}}
    brought["production"] |= {
        "vestibule-master-key",
        "vestibule-knowledge-key",
        "vestibule-users-master-key",
        "vestibule-first-admin",
        "vestibule-mail",
        "vestibule-ca",
    }
    brought["strict"] = brought["production"]
    brought["provisioned"] = {"postgres-superuser"}
    brought["watched"] = {
        "vestibule-embeddings",
        "vestibule-language-model",
        "vestibule-qdrant",
        "vestibule-synthesizer",
        "vestibule-transcriber",
    }
    brought["development"] = {"vestibule-postgres-admin", "vestibule-admin", "vestibule-redis"}
    outside = brought.get(value_set.stem.removesuffix("-values"), set())
    existing |= {("Secret", name(each)) for each in of_kind(manifests, "Certificate")}

    for _, _, spec in pods(manifests):
        account = spec.get("serviceAccountName")
        assert account is None or ("ServiceAccount", account) in existing
        for container in containers(spec):
            for source in container.get("envFrom", []):
                assert ("ConfigMap", source["configMapRef"]["name"]) in existing
            for variable in container.get("env", []):
                secret = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name")
                assert secret is None or secret in outside or ("Secret", secret) in existing
        for volume in spec.get("volumes", []):
            secret = volume.get("secret", {}).get("secretName")
            assert secret is None or secret in outside or ("Secret", secret) in existing


def test_routes_lead_to_the_gateway(manifests: list[Manifest]) -> None:
    """Ingress and HTTPRoute lead to the gateway's Service only."""
    gateway = next(service for service in of_kind(manifests, "Service") if name(service).endswith("-gateway"))
    ports = {port["name"]: port["port"] for port in gateway["spec"]["ports"]}

    for ingress in of_kind(manifests, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert backend == {"name": name(gateway), "port": {"name": "http"}}
    for route in of_kind(manifests, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            assert rule["backendRefs"] == [{"name": name(gateway), "port": ports["http"]}]


def test_routes_are_those_of_the_api(manifests: list[Manifest]) -> None:
    """The routes for clients are exposed; those for operators are not."""
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    promised = {*document["paths"], "/health", "/docs", "/openapi.json"}
    matches = [
        {path["path"] for path in rule["http"]["paths"]}
        for ingress in of_kind(manifests, "Ingress")
        for rule in ingress["spec"]["rules"]
    ] + [
        {match["path"]["value"] for match in rule["matches"]}
        for route in of_kind(manifests, "HTTPRoute")
        for rule in route["spec"]["rules"]
    ]

    for prefixes in matches:
        led = {path for path in {*promised, *OPERATORS} if _is_below(path, prefixes)}
        assert led == promised


def _is_below(path: str, prefixes: set[str]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def test_uninstall_stops_what_a_failed_install_left(manifests: list[Manifest]) -> None:
    """Helm leaves the jobs of hooks behind: before an uninstall, one without pods takes the place of each."""
    jobs = of_kind(manifests, "Job")
    stops = [job for job in jobs if hook(job) == "pre-delete"]

    assert {name(job) for job in stops} == {name(job) for job in jobs}
    for job in stops:
        assert job["spec"]["completions"] == job["spec"]["parallelism"] == 0
        assert (
            job["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
            == "before-hook-creation,hook-succeeded"
        )


def test_upgrade_jobs_are_hooks_that_leave_pods_alone(manifests: list[Manifest]) -> None:
    """Migrations run one after the other before anything else, on install and upgrade."""
    jobs = [job for job in of_kind(manifests, "Job") if hook(job) != "pre-delete"]

    for job in jobs:
        assert hook(job) == "pre-install,pre-upgrade"
        assert job["spec"]["completions"] == job["spec"]["parallelism"] == 1
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    for deployment in of_kind(manifests, "Deployment"):
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
