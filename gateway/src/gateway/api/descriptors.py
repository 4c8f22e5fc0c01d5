"""Loads the protos: Vestibule's own, and further descriptor sets from the settings."""

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from chassis.dataclass import dataclass
from chassis.startup_errors import StartupError
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError

_MESSAGES, _SERVICES, _ENUMS = 4, 6, 5
_FIELDS, _METHODS, _NESTED = 2, 2, 3


@dataclass(frozen=True, slots=True)
class Protos:
    """The loaded protos.

    Attributes:
        services: Every service, in the order of the files.
        further: Files with further sets.
    """

    services: tuple[ServiceDescriptor, ...]
    further: tuple[Path, ...]

    def comments(self) -> dict[str, str]:
        """Returns the comment of each service, method, message and field, by full name.

        Only documentation needs them; reading them is a twentieth of the gateway's start.

        Raises:
            StartupError: a file cannot be read any more.
        """
        files = (file for found in _sets(self.further) for file in found.file)
        return {name: text for file in files for name, text in _comments(file)}


def load(further: Iterable[Path] = (), serves: Callable[[str], bool] | None = None) -> Protos:
    """Loads Vestibule's descriptor set and further ones.

    Args:
        further: Files with further sets.
        serves: Says whether a service is served, by its full name; of a file that holds only others, nothing
            is loaded. None loads everything.

    Raises:
        StartupError: a file cannot be read or is not a descriptor set.
    """
    further = tuple(further)
    services: dict[str, ServiceDescriptor] = {}
    for files in _sets(further):
        for file in files.file:
            if serves is not None and file.service and not any(map(serves, _names(file))):
                continue
            _add(file)
            found = descriptor_pool.Default().FindFileByName(file.name)  # type: ignore[no-untyped-call]
            services.update({service.full_name: service for service in found.services_by_name.values()})
    return Protos(tuple(services.values()), further)


def _sets(further: Iterable[Path]) -> list[descriptor_pb2.FileDescriptorSet]:
    own = resources.files("vestibule").joinpath("descriptors.binpb").read_bytes()
    sets = [_parse(own, "Vestibule's own")]
    for path in further:
        try:
            sets.append(_parse(path.read_bytes(), str(path)))
        except OSError as error:
            raise StartupError(f"GATEWAY_DESCRIPTORS: {path} cannot be read: {error.strerror}") from error
    return sets


def _parse(content: bytes, name: str) -> descriptor_pb2.FileDescriptorSet:
    try:
        return descriptor_pb2.FileDescriptorSet.FromString(content)
    except DecodeError as error:
        raise StartupError(
            f"GATEWAY_DESCRIPTORS: {name} is not a descriptor set; make one with"
            " `protoc --include_imports --include_source_info --descriptor_set_out=…`"
        ) from error


def _names(file: descriptor_pb2.FileDescriptorProto) -> list[str]:
    return [f"{file.package}.{service.name}" for service in file.service]


def _add(file: descriptor_pb2.FileDescriptorProto) -> None:
    """Registers a file: by its generated module if there is one, otherwise by its descriptor."""
    module = file.name.removesuffix(".proto").replace("/", ".").replace("-", "_") + "_pb2"
    with suppress(ImportError):
        importlib.import_module(module)
        return
    pool = descriptor_pool.Default()  # type: ignore[no-untyped-call]
    try:
        pool.FindFileByName(file.name)
    except KeyError:
        bare = descriptor_pb2.FileDescriptorProto()
        bare.CopyFrom(file)
        bare.ClearField("source_code_info")
        pool.AddSerializedFile(bare.SerializeToString())


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        lines = location.leading_comments.strip().splitlines()
        if lines and (name := _named(file, list(location.path))):
            yield name, " ".join(line.strip() for line in lines)


def _named(file: descriptor_pb2.FileDescriptorProto, path: list[int]) -> str | None:
    """Returns the full name of the element at a path of source info; None for other elements."""
    match path:
        case [kind, index] if kind == _SERVICES:
            return f"{file.package}.{file.service[index].name}"
        case [kind, index, inner, method] if kind == _SERVICES and inner == _METHODS:
            service = file.service[index]
            return f"{file.package}.{service.name}.{service.method[method].name}"
        case [kind, index, *rest] if kind == _MESSAGES:
            return _within(file.message_type[index], file.package, rest)
        case [kind, index] if kind == _ENUMS:
            return f"{file.package}.{file.enum_type[index].name}"
    return None


def _within(message: Any, prefix: str, path: list[int]) -> str | None:
    name = f"{prefix}.{message.name}"
    match path:
        case []:
            return name
        case [kind, index] if kind == _FIELDS:
            return f"{name}.{message.field[index].name}"
        case [kind, index, *rest] if kind == _NESTED:
            return _within(message.nested_type[index], name, rest)
    return None
