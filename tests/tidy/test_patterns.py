"""Errors say in words what a text must look like."""

from collections.abc import Iterator

from chassis.grpc.field_rules import Constraints, constraints
from chassis.grpc.policy import service_policies
from gateway.api import descriptors
from google.protobuf.descriptor import Descriptor


def _messages(message: Descriptor, seen: set[str]) -> Iterator[Descriptor]:
    if message.full_name in seen or message.full_name.startswith("google."):
        return
    seen.add(message.full_name)
    yield message
    for field in message.fields:
        if field.message_type is not None:
            yield from _messages(field.message_type, seen)


def _all(allowed: Constraints | None) -> Iterator[Constraints]:
    if allowed is not None:
        yield allowed
        yield from _all(allowed.items)
        yield from _all(allowed.keys)


def test_every_pattern_has_words() -> None:
    """A regular expression in an answer does not help to correct a request."""
    seen: set[str] = set()
    patterns = {
        field.full_name: all(each.pattern_in_words for each in _all(constraints(field)) if each.pattern)
        for service in descriptors.load(()).services
        for policy in service_policies(service)
        for message in _messages(policy.descriptor.input_type, seen)
        for field in message.fields
        if any(each.pattern for each in _all(constraints(field)))
    }

    assert patterns
    assert {name for name, in_words in patterns.items() if not in_words} == set()
