"""Ports, names and paths are those of `make up`'s topology wherever they are written."""

import re
import subprocess
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack.topology import PROTO_PACKAGES, SERVICES, Service

from tests.chart.conftest import CHART, ROOT, Render
from tests.chart.manifests import Manifest, environment, name, of_kind

SKAFFOLD: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
LABELS = ("title", "description", "licenses", "version", "revision")
HTTP_PORT = {service.name: service.http_port for service in SERVICES}


RECIPE = (ROOT / "Dockerfile").read_text()


def documents(*patterns: str) -> list[Manifest]:
    """Returns the objects of some files under `k8s`."""
    paths = [path for pattern in patterns for path in sorted((ROOT / "k8s").glob(pattern))]
    return [each for path in paths for each in yaml.safe_load_all(path.read_text()) if each]


def test_images_run_their_service() -> None:
    """The release image runs the service's `__main__.py`, unprivileged, with bytecode and no installer."""
    build, release = RECIPE[: RECIPE.index("AS dev")], RECIPE[RECIPE.index("AS release") :]

    assert "uv sync --frozen --no-dev --no-editable --package vestibule-${SERVICE}" in build
    assert "cp ${SERVICE}/src/*/__main__.py /app/main.py" in build
    assert 'ENTRYPOINT ["python", "/app/main.py"]' in release
    assert "USER 65532:65532" in release
    assert "pip uninstall" in release
    assert "PYTHONDONTWRITEBYTECODE=1" in release, "its root is read-only"
    assert "python -m compileall" in release, "no start compiles the standard library"
    assert not re.search(r"\b(apt-get|gcc|uv)\b", release), "nothing installs or compiles in the last stage"
    assert all(f"org.opencontainers.image.{label}=" in release for label in LABELS)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_build_context_has_what_the_recipe_copies(service: Service) -> None:
    """Everything that the recipe copies is there, and `.dockerignore` lets it in."""
    left_out = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", RECIPE, re.MULTILINE)

    for source in " ".join(copied).replace("${SERVICE}", service.name).split():
        assert (ROOT / source).exists(), source
        assert not any(fnmatch(source, pattern) for pattern in left_out), source


def test_images_are_built_of_every_service() -> None:
    """`make images` finds the services without a list."""
    listed = subprocess.run(
        ["make", "--dry-run", "images"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout

    (built,) = re.findall(r"for service in ([^;]*);", listed)
    assert set(built.split()) == {service.name for service in SERVICES}


def test_pods_listen_where_the_topology_says(manifests: list[Manifest]) -> None:
    """A container's ports, the settings for them and the topology agree."""
    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        service = next(service for service in SERVICES if service.name == container["name"])
        given = environment(manifests, spec)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        expected = {"http": service.http_port, "grpc": service.grpc_port}

        assert ports == {key: port for key, port in expected.items() if port is not None}
        http = "GATEWAY_PORT" if service.grpc_port is None else f"{service.prefix}_HTTP_PORT"
        assert given[http] == str(service.http_port)
        if service.schema is not None:
            assert given[f"{service.prefix}_GRPC_PORT"] == str(service.grpc_port)
            assert f"//{service.schema.runtime}@" in str(given[f"{service.prefix}_POSTGRES_URL"])


def test_jobs_work_on_the_schemas_of_the_topology(render: Render) -> None:
    """Each schema is provisioned and migrated by the service that owns it, as its owner."""
    manifests = render(CHART / "ci" / "provisioned-values.yaml")
    jobs = {name(job): job for job in of_kind(manifests, "Job")}
    owning = [service for service in SERVICES if service.schema is not None]

    assert jobs.keys() == {
        f"vestibule-{service.name}-{verb}" for service in owning for verb in ("provision", "migrate")
    }
    for service in owning:
        assert service.schema is not None
        migrate = jobs[f"vestibule-{service.name}-migrate"]["spec"]["template"]["spec"]
        given = environment(manifests, migrate)
        assert f"//{service.schema.owner}@" in str(given[f"{service.prefix}_MIGRATION_POSTGRES_URL"])


def test_gateway_knows_the_packages_of_the_topology(render: Render) -> None:
    """Every proto package leads to the service that serves it."""
    config = next(each for each in of_kind(render({}), "ConfigMap") if name(each) == "vestibule-gateway")
    upstreams = yaml.safe_load(config["data"]["GATEWAY_UPSTREAMS"])

    assert upstreams == {
        package: {"address": f"vestibule-{service.name}:{service.grpc_port}"}
        for package, service in PROTO_PACKAGES.items()
    }


def test_prometheus_scrapes_every_service() -> None:
    """The Prometheus of the backends scrapes each service at its port."""
    config = next(
        each for each in documents("backends/prometheus.yaml") if "prometheus.yml" in each.get("data", {})
    )
    (job,) = yaml.safe_load(config["data"]["prometheus.yml"])["scrape_configs"]
    scraped = {found["names"][0].split(".")[0]: found["port"] for found in job["dns_sd_configs"]}

    assert scraped == {f"vestibule-{service}": port for service, port in HTTP_PORT.items()}


def test_skaffold_builds_the_recipes() -> None:
    """Each artifact has a recipe with its target, and syncs sources to the dev stage's folder."""
    artifacts = {artifact["image"]: artifact for artifact in SKAFFOLD["build"]["artifacts"]}

    assert artifacts.keys() == {"system-tests", *(service.name for service in SERVICES)}
    assert (ROOT / artifacts["system-tests"]["docker"]["dockerfile"]).is_file()
    for service in SERVICES:
        artifact = artifacts[service.name]
        assert artifact["docker"] == {"target": "dev", "buildArgs": {"SERVICE": service.name}}
        synced = {f"{rule['dest']}/{rule['src'].split('/**')[0]}" for rule in artifact["sync"]["manual"]}
        assert synced == {f"/src/{service.name}/src", "/src/chassis/src"}
    assert "AS dev" in RECIPE
    assert '"watchfiles", "--filter", "python", "python /app/main.py", "/src"' in RECIPE, "synced, so watched"


def test_skaffold_deploys_the_chart() -> None:
    """Paths exist, and every service's image is the one that was built."""
    (release,) = SKAFFOLD["deploy"]["helm"]["releases"]
    paths = [release["chartPath"], *release["valuesFiles"], *SKAFFOLD["manifests"]["rawYaml"]]
    paths += SKAFFOLD["manifests"]["kustomize"]["paths"]
    paths += [case["executionMode"]["kubernetesCluster"]["jobManifestPath"] for case in SKAFFOLD["verify"]]

    assert all((ROOT / path).exists() for path in paths)
    assert release["setValueTemplates"] == {
        f"services.{service.name}.image": f"{{{{.IMAGE_FULLY_QUALIFIED_{service.name.replace('-', '_')}}}}}"
        for service in SERVICES
    }


def test_skaffold_forwards_ports_that_exist(render: Render) -> None:
    """A forwarded port is one of a Service of the release or of the backends."""
    release = render(CHART / "ci" / "development-values.yaml")
    backends = documents("backends/*.yaml")
    ports = {
        (namespace, name(service), port["port"])
        for namespace, objects in (("vestibule", release), ("backends", backends))
        for service in of_kind(objects, "Service")
        for port in service["spec"]["ports"]
    }

    assert {
        (rule["namespace"], rule["resourceName"], rule["port"]) for rule in SKAFFOLD["portForward"]
    } <= ports


@pytest.mark.parametrize("case", SKAFFOLD["verify"], ids=lambda case: case["name"])
def test_skaffold_verifies_through_the_gateway(case: dict[str, Any], render: Render) -> None:
    """The verifying job has an image that is built, the gateway's address and an egress policy."""
    release = render(CHART / "ci" / "development-values.yaml")
    manifest = Path(case["executionMode"]["kubernetesCluster"]["jobManifestPath"])
    (job,) = documents(str(manifest.relative_to("k8s")))
    template = job["spec"]["template"]
    (container,) = template["spec"]["containers"]
    policy = next(each for each in of_kind(release, "NetworkPolicy") if name(each) == "vestibule-test")

    assert case["name"] == case["container"]["name"] == container["name"]
    assert case["container"]["image"] in {artifact["image"] for artifact in SKAFFOLD["build"]["artifacts"]}
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert container["env"][0]["value"] == f"http://vestibule-gateway:{HTTP_PORT['gateway']}"


def test_skaffold_verifies_with_the_script_of_the_release(render: Render) -> None:
    """The signing-up job finds its script in a ConfigMap of the release."""
    release = render(CHART / "ci" / "development-values.yaml")
    (job,) = documents("verify/signup.yaml")
    template = job["spec"]["template"]
    case = next(case for case in SKAFFOLD["verify"] if case["name"] == "signup")
    script = next(each for each in of_kind(release, "ConfigMap") if name(each) == "vestibule-test")

    assert template["spec"]["volumes"][0]["configMap"]["name"] == name(script)
    assert {f"/tests/{key}" for key in script["data"]} == {case["container"]["command"][-1]}


@pytest.mark.parametrize("profile", SKAFFOLD["profiles"], ids=lambda profile: profile["name"])
def test_skaffold_profiles_patch_what_is_there(profile: dict[str, Any]) -> None:
    """Each patch applies, so that no profile fails when it is used."""
    for patch in profile.get("patches", []):
        *parents, last = patch["path"].strip("/").split("/")
        place: Any = SKAFFOLD
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if patch["op"] != "add":
            assert (int(last) < len(place)) if isinstance(place, list) else (last in place), patch["path"]
        if isinstance(patch.get("value"), str) and "/" in patch["value"]:
            assert Path(ROOT / patch["value"]).exists()


def test_backends_of_development_are_there(render: Render) -> None:
    """The addresses in the development values exist in `k8s/backends`, with their port."""
    there = {
        f"{name(service)}.backends:{port['port']}"
        for service in of_kind(documents("backends/*.yaml"), "Service")
        for port in service["spec"]["ports"]
    }
    values = (CHART / "ci" / "development-values.yaml").read_text()
    named = {
        f"{host}:{port or {'postgres.backends': 5432, 'nextcloud.backends': 80}[host]}"
        for host, port in re.findall(r"([a-z]+\.backends)(?::(\d+))?", values)
    }
    secrets = {name(each) for each in documents("development.yaml")}

    assert named <= there
    assert yaml.safe_load(values)["postgres"]["provision"]["existingSecret"] in secrets
    assert yaml.safe_load(values)["secrets"]["bootstrapAdmin"] in secrets


def test_optional_services_are_off_by_default(helm: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Nothing of a service that is off is rendered: no object, no address, no arrow, no secret."""
    rendered = helm("template", "vestibule", str(CHART), "--namespace", "vestibule")
    assert rendered.returncode == 0, rendered.stderr
    for service in SERVICES:
        if service.switch:
            assert service.name not in rendered.stdout
            assert service.switch not in rendered.stdout
            assert service.package not in rendered.stdout


def test_cert_manager_writes_into_no_secret_of_the_database() -> None:
    """CloudNativePG names secrets after its cluster; the value sets name issuers that are there."""
    production = documents("production/*.yaml")
    clusters = [name(each) for each in of_kind(production, "Cluster")]
    written = {
        f"{cluster}-{of}"
        for cluster in clusters
        for of in ("ca", "server", "replication", "app", "superuser")
    }
    certificates = of_kind(production, "Certificate")
    issuers = {name(each) for each in of_kind(production, "Issuer", "ClusterIssuer")}

    assert clusters
    assert certificates
    assert not written & {each["spec"]["secretName"] for each in certificates}
    for path in CHART.glob("ci/*-values.yaml"):
        manager = yaml.safe_load(path.read_text()).get("certManager", {})
        for kind in ("publicIssuer", "internalIssuer"):
            assert manager.get(kind, {}).get("name", next(iter(issuers))) in issuers, path
