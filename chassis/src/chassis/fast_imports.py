"""Makes imports cheaper; called before anything else is imported.

A rollout starts processes on nodes that serve requests, so the processor time of a start delays requests.
What is imported also stays in memory: it is nearly all that an idle process holds.
"""

import gc
import sys
from types import ModuleType
from typing import NoReturn

_NOT_IMPORTED = ("bz2", "greenlet", "lzma", "psutil", "rich")
"""What dependencies import if it is installed, and do not need here: 5 MB of each process."""

_STOOD_IN_FOR = (
    "argparse",  # This and the next are pydantic-settings', for settings from command lines.
    "pydantic_settings.sources.providers.cli",
    "cryptography.hazmat.primitives.serialization.ssh",  # Keys of SSH, and bcrypt for them.
    "google.protobuf.internal.python_message",  # Protobuf without its C library.
    "http.server",  # This and `wsgiref` are a server of prometheus_client's own.
    "logging.config",  # uvicorn's, for a configuration of its own.
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2",  # As below: only traces are exported.
    "opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc",
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
    "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc",
    "opentelemetry.sdk._logs",  # The export of logs and metrics.
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.metrics.export",
    "pickle",  # structlog's, for log lines to other processes.
    "pydantic.json_schema",  # Schemas of models, which nothing shows.
    "uvicorn.main",  # Its command line.
    "wsgiref.simple_server",
    "zipfile",  # Of `importlib.metadata`, for packages in archives.
    "zoneinfo",  # pydantic's, for settings that are time zones.
)
"""What dependencies import for parts of theirs that no service uses: 7 MB of each process."""


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


def end() -> None:
    """Allows all imports again; the garbage collector stays off until `chassis.lifecycle` enables it.

    What was imported is exempted from it for ever: none of that becomes garbage, and walking it once would
    take a tenth of the start.
    """
    gc.freeze()
    for name in (*_NOT_IMPORTED, *_STOOD_IN_FOR):
        found = sys.modules.get(name)
        if name in sys.modules and (found is None or isinstance(found, _StandIn)):
            del sys.modules[name]


class _StandIn(ModuleType):
    """Has every name that is imported from it, as a class that cannot be instantiated."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_: object, **__: object) -> NoReturn:
            raise RuntimeError(f"{self.__name__}.{name} is used: take it out of `chassis.fast_imports`")

        found = type(name, (), {"__module__": self.__name__, "__new__": refuse})
        setattr(self, name, found)
        return found
