"""What a service does not import at its start, and what stands in for it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

import pytest

from devstack import topology

PROGRAM = """
import builtins, importlib, importlib.util, json, sys
from chassis import fast_imports

fast_imports.begin()
stand_in = type(sys.modules["argparse"])
left_out = {name for name, module in sys.modules.items() if isinstance(module, stand_in)}
importers, real = {}, builtins.__import__

def imported(name, given=None, local=None, names=(), level=0):
    importer = (given or {}).get("__name__", "")
    if not importer.startswith("importlib._"):
        package = (given or {}).get("__package__") or ""
        whole = importlib.util.resolve_name("." * level + name, package) if level else name
        for each in (whole, *(f"{whole}.{one}" for one in names or ())):
            if isinstance(sys.modules.get(each), stand_in):
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

PROVIDERS = {"pydantic_settings.sources", "pydantic_settings.sources.providers"}
EXPORTER = {"opentelemetry.exporter.otlp.proto.grpc.exporter"}
LIBSODIUM = {"nacl.bindings"}
METRICS = {"prometheus_client.exposition"}

WITHOUT_THEM = {
    "argparse": {"pydantic_settings.main", "wyoming.audio"},  # Both for command lines of their own.
    "cryptography.hazmat.primitives.serialization.ssh": {"cryptography.hazmat.primitives.serialization"},
    "cryptography.x509": {
        "jwt.algorithms"
    },  # For shared keys: `chassis.service` allows it where there is one.
    "dotenv": {"pydantic_settings.sources.providers.dotenv"},
    "fractions": {"pydantic._internal._generate_schema", "pydantic_core.core_schema"}
    | {"pydantic._internal._validators", "statistics"},  # The median does without.
    "google.protobuf.internal.python_message": {"google.protobuf.descriptor_pool"}
    | {"google.protobuf.internal.builder", "google.protobuf.internal.containers"},
    "google.protobuf.internal.type_checkers": {"google.protobuf.json_format"},
    "gzip": METRICS,
    "http.server": METRICS | {"wsgiref.simple_server"},
    "jwt.jwks_client": {"jwt"},
    "locale": {"calendar", "gettext", "subprocess"},
    "logging.config": {"uvicorn.config"},
    "nacl.bindings.crypto_aead": LIBSODIUM,
    "nacl.bindings.crypto_box": LIBSODIUM,
    "nacl.bindings.crypto_core": LIBSODIUM,
    "nacl.bindings.crypto_generichash": LIBSODIUM,
    "nacl.bindings.crypto_hash": LIBSODIUM,
    "nacl.bindings.crypto_kx": LIBSODIUM,
    "nacl.bindings.crypto_scalarmult": LIBSODIUM,
    "nacl.bindings.crypto_secretbox": LIBSODIUM,
    "nacl.bindings.crypto_secretstream": LIBSODIUM,
    "nacl.bindings.crypto_shorthash": LIBSODIUM,
    "nacl.bindings.crypto_sign": LIBSODIUM,
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2": EXPORTER,
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc": EXPORTER,
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2": EXPORTER,
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc": EXPORTER,
    "opentelemetry.sdk._logs": EXPORTER,
    "opentelemetry.sdk._logs.export": EXPORTER,
    "opentelemetry.sdk.metrics.export": EXPORTER,
    "pickle": {"google.protobuf.internal.containers", "structlog._output"},
    "pydantic.json_schema": {"pydantic._internal._core_metadata", "pydantic._internal._generate_schema"}
    | {"pydantic.fields", "pydantic.main", "pydantic.type_adapter", "pydantic.types"},
    "pydantic_settings.sources.providers.aws": PROVIDERS,
    "pydantic_settings.sources.providers.azure": PROVIDERS,
    "pydantic_settings.sources.providers.cli": PROVIDERS,
    "pydantic_settings.sources.providers.gcp": PROVIDERS,
    "pydantic_settings.sources.providers.json": PROVIDERS,
    "pydantic_settings.sources.providers.pyproject": PROVIDERS,
    "pydantic_settings.sources.providers.toml": PROVIDERS,
    "pydantic_settings.sources.providers.yaml": PROVIDERS,
    "socketserver": METRICS,
    "structlog.testing": {"structlog"},
    "tempfile": {"importlib.resources._common"},
    "urllib.error": METRICS,
    "urllib.request": METRICS,
    "uvicorn._types": {"uvicorn.config", "uvicorn.middleware.message_logger"}
    | {"uvicorn.middleware.proxy_headers", "uvicorn.protocols.http.flow_control"}
    | {"uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.utils"},
    "uvicorn.main": {"uvicorn"},
    "uvicorn.middleware.asgi2": {"uvicorn.config"},
    "uvicorn.middleware.wsgi": {"uvicorn.config"},
    "wsgiref.simple_server": METRICS,
    "zipfile": {"importlib.metadata"},  # It passes over archives that it cannot read.
    "zoneinfo": {"pydantic._internal._generate_schema", "pydantic._internal._validators"},
}
"""The modules that import what is left out; what services use of them does without it."""


@cache
def importers(service: str) -> Mapping[str, frozenset[str]]:
    """Returns what is left out of a service's start, and by whom it would be imported."""
    program = [sys.executable, "-c", PROGRAM, service.replace("-", "_")]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return {name: frozenset(found) for name, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize("service", topology.SERVICES, ids=lambda service: service.name)
def test_only_modules_that_do_without_it_get_a_stand_in(service: topology.Service) -> None:
    """Any other module would find a class that cannot be used in the place of what it needs."""
    found = importers(service.name)

    assert found
    assert {name: others for name in found if (others := found[name] - WITHOUT_THEM[name])} == {}


def test_what_stands_in_is_imported() -> None:
    """What no dependency of any service imports any more is no longer on the list."""
    imported = {name for each in topology.SERVICES for name, found in importers(each.name).items() if found}

    assert imported == WITHOUT_THEM.keys()


def test_what_is_used_after_all_says_so() -> None:
    """The message names the module and the place."""
    program = "from chassis import fast_imports; fast_imports.begin(); import tempfile; tempfile.mkdtemp()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "tempfile is used: take it out of `chassis.fast_imports`" in done.stderr


def test_what_is_left_out_of_a_later_import() -> None:
    """Jinja is imported without its cache on disk and what that imports."""
    program = """
import sys
from chassis import fast_imports
fast_imports.begin()
fast_imports.end()
from auth_service import jinja
assert jinja.environment("auth_service.pages").get_template("home.html")
print(sorted({"jinja2.bccache", "pickle", "tempfile"} & sys.modules.keys()))
import jinja2.bccache
print(jinja2.bccache.FileSystemBytecodeCache.__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["[]", "FileSystemBytecodeCache"]
