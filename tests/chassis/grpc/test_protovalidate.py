"""What protovalidate refuses in a client, the servers refuse too, and they name the same fields."""

import random
import uuid
from typing import Any

import protovalidate
import pytest
from chassis.errors import Invalid
from chassis.grpc.constraints import compile_validator
from gateway.api.descriptors import load
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

STRINGS = ("", "a", "ada@example.com", "no address", "a\tb", "  ", str(uuid.UUID(int=7)), "read", "x" * 300)
NUMBERS = (0, 1, 2, 100, 101, 2_000_000)
ROUNDS = [
    pytest.param(range(6), id="a few"),
    pytest.param(range(6, 30), id="more", marks=pytest.mark.nightly),
]
"""Protovalidate takes four milliseconds for each."""


def _requests() -> list[Descriptor]:
    methods = [method for service in load().services for method in service.methods]
    found = {method.input_type.full_name: method.input_type for method in methods}
    return [each for each in found.values() if compile_validator(each) is not None]


def _fill(message: Message, field: FieldDescriptor, source: random.Random) -> None:
    """Sets one field to something that may be right or wrong; leaves messages and enums alone."""
    values: tuple[Any, ...]
    if field.type == FieldDescriptor.TYPE_STRING:
        values = STRINGS
    elif field.cpp_type in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        values = NUMBERS
    else:
        return
    if field.is_repeated:
        getattr(message, field.name).extend(source.choices(values, k=source.randrange(4)))
    elif source.random() < 0.8:
        setattr(message, field.name, source.choice(values))


def _refused_here(message: Message) -> set[str]:
    descriptor: Any = message.DESCRIPTOR
    validate = compile_validator(descriptor)
    assert validate is not None
    try:
        validate(message)
    except Invalid as error:
        return {each.field.partition("[")[0].partition(".")[0] for each in error.field_errors}
    return set()


def _refused_by_protovalidate(message: Message) -> set[str]:
    return {each.proto.field.elements[0].field_name for each in protovalidate.collect_violations(message)}


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("request_type", _requests(), ids=lambda each: each.full_name)
def test_the_servers_refuse_what_protovalidate_refuses(request_type: Descriptor, rounds: range) -> None:
    """The servers know more about addresses, lines and ids, so they may refuse more of text, never less."""
    made = message_factory.GetMessageClass(request_type)
    for number in rounds:
        source = random.Random(f"{request_type.full_name} {number}")
        message = made()
        for field in request_type.fields:
            _fill(message, field, source)

        here, there = _refused_here(message), _refused_by_protovalidate(message)

        assert there == here, message
