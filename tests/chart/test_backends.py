"""The objects that kustomize makes of `k8s/backends`: every file of it, each Service before its pods."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.conftest import ROOT
from tests.chart.manifests import Manifest, name, of_kind, selects
from tests.chart.test_objects import KUBERNETES, validate

FOLDER = ROOT / "k8s" / "backends"


@pytest.fixture(scope="module", name="built")
def _built(programs: Path) -> list[Manifest]:
    """The objects that `kubectl apply --kustomize` applies."""
    command = [str(programs / "kubectl"), "kustomize", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": ""})
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_no_file_is_forgotten(built: list[Manifest]) -> None:
    """Every file of the folder is built, into the namespace that it defines."""
    written = [each for path in FOLDER.glob("*.yaml") for each in yaml.safe_load_all(path.read_text())]
    expected = {(each["kind"], name(each)) for each in written if each["kind"] != "Kustomization"}

    assert {(each["kind"], name(each)) for each in built} == expected
    namespaces = {each["metadata"].get("namespace") for each in built if each["kind"] != "Namespace"}
    assert namespaces == {name(each) for each in of_kind(built, "Namespace")}


@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_are_valid(built: list[Manifest], version: str) -> None:
    """With the labels that kustomize adds, in each version."""
    for manifest in built:
        validate(json.dumps(manifest, sort_keys=True), version)


def test_services_reach_their_pods(built: list[Manifest]) -> None:
    """Its port is one of the Deployment that it selects."""
    for service in of_kind(built, "Service"):
        (chosen,) = [
            each
            for each in of_kind(built, "Deployment")
            if selects(service["spec"]["selector"], each["spec"]["template"]["metadata"]["labels"])
        ]
        containers = chosen["spec"]["template"]["spec"]["containers"]
        ports = [port for container in containers for port in container["ports"]]
        known = {port["containerPort"] for port in ports} | {port.get("name") for port in ports}
        assert {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]} <= known


def test_valkey_takes_connections_from_other_pods(built: list[Manifest]) -> None:
    """Without a default password, Valkey refuses other hosts unless protected mode is off."""
    valkey = next(each for each in of_kind(built, "Deployment") if name(each) == "valkey")
    arguments = valkey["spec"]["template"]["spec"]["containers"][0]["args"]

    assert arguments[arguments.index("--protected-mode") + 1] == "no"
    assert "--aclfile" in arguments
