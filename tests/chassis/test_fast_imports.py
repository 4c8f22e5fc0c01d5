"""What a service does not import at its start, and what stands in for it."""

import json
import subprocess
import sys

import pytest

from devstack import topology

PROGRAM = """
import builtins, importlib, importlib.util, json, sys
from chassis import fast_imports

fast_imports.begin()
left_out = {name for name, module in sys.modules.items() if type(module).__name__ == "_StandIn"}
importers, real = {}, builtins.__import__

def imported(name, given=None, local=None, names=(), level=0):
    importer = (given or {}).get("__name__", "")
    if not importer.startswith("importlib._"):
        package = (given or {}).get("__package__") or ""
        whole = importlib.util.resolve_name("." * level + name, package) if level else name
        for each in (whole, *(f"{whole}.{one}" for one in names or ())):
            if each in left_out:
                importers.setdefault(each, set()).add(importer)
    return real(name, given, local, names, level)

builtins.__import__ = imported
main = importlib.import_module(f"{sys.argv[1]}.__main__")
main.service.start()
importlib.import_module("chassis.serving")
importlib.import_module("chassis.tracing.recorder")
fast_imports.end()
importlib.import_module("argparse").ArgumentParser()
print(json.dumps({name: sorted(importers.get(name, ())) for name in left_out}))
"""

WITHOUT_THEM = {
    "cryptography.hazmat.primitives.serialization",
    "google.protobuf.descriptor_pool",
    "google.protobuf.internal.builder",
    "google.protobuf.internal.containers",
    "importlib.metadata",  # It passes over archives that it cannot read.
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "prometheus_client.exposition",
    "pydantic._internal._core_metadata",
    "pydantic._internal._generate_schema",
    "pydantic._internal._validators",
    "pydantic.fields",
    "pydantic.main",
    "pydantic.type_adapter",
    "pydantic.types",
    "pydantic_settings.main",
    "pydantic_settings.sources",
    "pydantic_settings.sources.providers",
    "structlog._output",
    "uvicorn",
    "uvicorn.config",
    "wsgiref.simple_server",
    "wyoming.audio",  # It has a command line of its own.
}
"""The modules that import what is left out; what services use of them does without it."""


@pytest.mark.parametrize("service", topology.SERVICES, ids=lambda service: service.name)
def test_only_modules_that_do_without_it_get_a_stand_in(service: topology.Service) -> None:
    """Any other module would find a class that cannot be used in the place of what it needs."""
    program = [sys.executable, "-c", PROGRAM, service.name.replace("-", "_")]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    importers: dict[str, list[str]] = json.loads(done.stdout)

    assert importers
    assert not {each for found in importers.values() for each in found} - WITHOUT_THEM
    assert [name for name, found in importers.items() if not found] == [], "nothing imports them any more"
