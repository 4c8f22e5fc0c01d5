"""Objects of other projects' kinds have only fields that those kinds define."""

import copy
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.chart.conftest import ROOT
from tests.chart.manifests import Manifest, name
from tests.chart.test_objects import CUSTOM

SCHEMAS = Path(__file__).parent / "schemas" / "custom-resources.yaml"
DEFINITIONS = os.environ.get("CRDS")
"""A folder with CustomResourceDefinitions, to validate against complete schemas."""


def kind_of(manifest: Manifest) -> str:
    return f"{manifest['apiVersion']}/{manifest['kind']}"


@cache
def specs() -> dict[str, Any]:
    """Returns the schema of each kind's `spec`."""
    schemas: dict[str, Any] = yaml.safe_load(SCHEMAS.read_text())
    shared = schemas.pop("definitions")
    found = {kind: {"type": "object", **schema, "definitions": shared} for kind, schema in schemas.items()}
    if DEFINITIONS:
        found |= dict(_defined(Path(DEFINITIONS)))
    return {kind: strict(copy.deepcopy(schema)) for kind, schema in found.items()}


def _defined(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.rglob("*.yaml")):
        for definition in yaml.safe_load_all(path.read_text()):
            if not definition or definition.get("kind") != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                whole = version["schema"]["openAPIV3Schema"]["properties"]
                if "spec" in whole:
                    yield f"{spec['group']}/{version['name']}/{spec['names']['kind']}", whole["spec"]


def strict(schema: Any) -> Any:
    """Forbids unlisted fields on every level: the API server would drop them silently."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
        schema.setdefault("type", "object")
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    return {key: strict(each) for key, each in schema.items()}


def wrong(manifest: Manifest) -> list[str]:
    """Returns the errors of an object, by place."""
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    errors = Draft7Validator(specs()[kind_of(manifest)]).iter_errors(manifest["spec"])
    return [
        f"{kind_of(manifest)} {name(manifest)}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in errors
    ]


def _examples() -> list[Manifest]:
    found = [each for path in ROOT.glob("k8s/**/*.yaml") for each in yaml.safe_load_all(path.read_text())]
    return [each for each in found if each and kind_of(each) in specs()]


def test_rendered_objects(manifests: list[Manifest]) -> None:
    """Every object of a group outside Kubernetes, in every value set."""
    for manifest in manifests:
        if manifest["apiVersion"].split("/")[0] in CUSTOM:
            assert wrong(manifest) == []


@pytest.mark.parametrize("manifest", _examples(), ids=lambda each: f"{each['kind']}-{name(each)}")
def test_examples(manifest: Manifest) -> None:
    """The examples in `k8s/` too: issuers, a certificate, a Postgres cluster."""
    assert wrong(manifest) == []


@pytest.mark.parametrize("kind", specs())
def test_a_misspelt_field_is_found(kind: str) -> None:
    """In each kind: it would be dropped silently."""
    group, version, bare = kind.split("/")
    metadata = {"name": "thing"}
    manifest = {"apiVersion": f"{group}/{version}", "kind": bare, "metadata": metadata, "spec": {"sepc": 1}}

    assert any("sepc" in each for each in wrong(manifest))
