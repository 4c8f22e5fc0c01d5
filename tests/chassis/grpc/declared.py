"""Messages and services declared by tests as protos would be."""

import itertools
from typing import Any

from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2, text_format
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from vestibule.api.v1 import options_pb2, string_rules_pb2  # noqa: F401 registers its rules

_RULES = ("buf/validate/validate.proto", "vestibule/api/v1/string_rules.proto")
_numbers = itertools.count()
FieldProto = descriptor_pb2.FieldDescriptorProto


def field(
    name: str,
    kind: Any = FieldProto.TYPE_STRING,
    *,
    repeated: bool = False,
    optional: bool = False,
    type_name: str = "",
    rules: str = "",
) -> descriptor_pb2.FieldDescriptorProto:
    """Declares a field with rules, in the text that stands in the braces of `buf.validate.field`."""
    label = FieldProto.LABEL_REPEATED if repeated else FieldProto.LABEL_OPTIONAL
    declared = FieldProto(name=name, type=kind, label=label, proto3_optional=optional)
    if type_name:
        declared.type_name = type_name
    if rules:
        text_format.Parse(rules, declared.options.Extensions[validate_pb2.field])
    return declared


def declare(**messages: list[descriptor_pb2.FieldDescriptorProto]) -> Descriptor:
    """Declares messages in a package of their own and returns the first; a type name refers to another."""
    package = f"declared{next(_numbers)}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.extend([*_RULES, struct_pb2.DESCRIPTOR.name])
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, each in enumerate(fields, start=1):
            added = message.field.add()
            added.CopyFrom(each)
            added.number = number
            if added.type_name in messages:
                added.type_name = f".{package}.{added.type_name}"
            if added.proto3_optional:
                added.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{added.name}")
    pool: Any = descriptor_pool.Default()  # type: ignore[no-untyped-call]
    pool.Add(file)
    descriptor: Descriptor = pool.FindMessageTypeByName(f"{package}.{next(iter(messages))}")
    return descriptor


def declare_method(*, server_streaming: bool = False, **policy: Any) -> MethodDescriptor:
    """Declares a method whose request has nothing in it, with a policy unless none is given."""
    package = f"declared{next(_numbers)}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.append("vestibule/api/v1/options.proto")
    file.message_type.add(name="Nothing")
    service = file.service.add(name="Shop")
    method = service.method.add(
        name="Buy",
        input_type=f".{package}.Nothing",
        output_type=f".{package}.Nothing",
        server_streaming=server_streaming,
    )
    if policy:
        method.options.Extensions[options_pb2.policy].CopyFrom(options_pb2.MethodPolicy(**policy))
    pool: Any = descriptor_pool.Default()  # type: ignore[no-untyped-call]
    pool.Add(file)
    declared: MethodDescriptor = pool.FindServiceByName(f"{package}.Shop").methods_by_name["Buy"]
    return declared


def make(descriptor: Descriptor, **values: Any) -> Message:
    """Makes a message of a declared type."""
    return message_factory.GetMessageClass(descriptor)(**values)
