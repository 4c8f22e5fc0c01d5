"""Makes imports cheaper; called before anything else is imported.

A rollout starts processes on nodes that serve requests, so the processor time of a start delays requests.
What is imported also stays in memory: it is nearly all that an idle process holds.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType
from typing import NoReturn

_NOT_IMPORTED = ("bz2", "greenlet", "lzma", "psutil", "rich")
"""What dependencies import if it is installed, and do not need here: 5 MB of each process."""

_STOOD_IN_FOR = (
    # Of pydantic-settings, for settings from command lines, files and clouds.
    "argparse",
    "dotenv",
    "pydantic_settings.sources.providers.aws",
    "pydantic_settings.sources.providers.azure",
    "pydantic_settings.sources.providers.cli",
    "pydantic_settings.sources.providers.gcp",
    "pydantic_settings.sources.providers.json",
    "pydantic_settings.sources.providers.pyproject",
    "pydantic_settings.sources.providers.toml",
    "pydantic_settings.sources.providers.yaml",
    # Of pydantic, for schemas of models, which nothing shows, and for types that no setting has.
    "fractions",
    "pydantic.json_schema",
    "zoneinfo",
    # Of prometheus_client, for a server and a client of its own.
    "gzip",
    "http.server",
    "socketserver",
    "urllib.error",
    "urllib.request",
    "wsgiref.simple_server",
    # Of uvicorn, for its command line, logs of its own, applications of other kinds, and annotations.
    "logging.config",
    "uvicorn._types",
    "uvicorn.main",
    "uvicorn.middleware.asgi2",
    "uvicorn.middleware.wsgi",
    # Of PyNaCl: libsodium besides its hashes of passwords.
    "nacl.bindings.crypto_aead",
    "nacl.bindings.crypto_box",
    "nacl.bindings.crypto_core",
    "nacl.bindings.crypto_generichash",
    "nacl.bindings.crypto_hash",
    "nacl.bindings.crypto_kx",
    "nacl.bindings.crypto_scalarmult",
    "nacl.bindings.crypto_secretbox",
    "nacl.bindings.crypto_secretstream",
    "nacl.bindings.crypto_shorthash",
    "nacl.bindings.crypto_sign",
    # Of OpenTelemetry, for the export of logs and metrics; traces are exported.
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2",
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc",
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc",
    "opentelemetry.sdk._logs",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.metrics.export",
    # Of protobuf, for platforms without its C library, and for JSON with fractions of 32 bits.
    "google.protobuf.internal.python_message",
    "google.protobuf.internal.type_checkers",
    # Of cryptography, for keys of SSH; of PyJWT, for certificates, which services read with mutual TLS or a
    # shared key alone, and for keys from URLs; of structlog, for processes and tests.
    "cryptography.hazmat.primitives.serialization.ssh",
    "cryptography.x509",
    "jwt.jwks_client",
    "pickle",
    "structlog.testing",
    # Of the standard library, for calendars and programs' output by language, and packages in archives.
    "locale",
    "tempfile",
    "zipfile",
)
"""What dependencies import for parts of theirs that no service uses: 10 MB of each process."""


def begin() -> None:
    """Makes the following imports cheaper by a third.

    Disables the garbage collector, which would scan a hundred thousand permanent objects repeatedly;
    `chassis.lifecycle` enables it when the service serves. Until `end` is called, what no service uses is not
    imported: optional dependencies, and modules for which another stands in.
    """
    gc.disable()
    for name in _NOT_IMPORTED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    for name in _STOOD_IN_FOR:
        sys.modules.setdefault(name, _StandIn(name))


def allow(*names: str) -> None:
    """Lets modules be imported that others, or other services, do without."""
    for name in names:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]


def end() -> None:
    """Allows all imports again; the garbage collector stays off until `chassis.lifecycle` enables it.

    What was imported is exempted from it for ever: none of that becomes garbage, and walking it once would
    take a tenth of the start.
    """
    gc.freeze()
    sys.path_importer_cache.clear()  # Lists of files, 0.2 MB; a later import makes those that it needs again.
    allow(*_STOOD_IN_FOR)
    for name in _NOT_IMPORTED:
        if sys.modules.get(name, ...) is None:
            del sys.modules[name]


@contextmanager
def without(name: str) -> Iterator[None]:
    """Leaves a module out of what the block imports; another stands in for it as at the start."""
    sys.modules.setdefault(name, _StandIn(name))
    try:
        yield
    finally:
        allow(name)


class _StandIn(ModuleType):
    """Has every name that is imported from it: one class for all of them, which cannot be instantiated."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._unused

    @cached_property
    def _unused(self) -> type:
        def refuse(*_: object, **__: object) -> NoReturn:
            raise RuntimeError(f"{self.__name__} is used: take it out of `chassis.fast_imports`")

        return type("Unused", (), {"__module__": self.__name__, "__new__": refuse})
