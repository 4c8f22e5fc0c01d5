"""Errors say in words what a text must look like."""

from collections.abc import Iterator
from importlib.resources import files

from chassis.grpc.field_rules import Constraints, constraints
from chassis.grpc.policy import service_policies
from chassis.pages.catalog import read_catalogs
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


def _patterns() -> dict[str, list[str]]:
    """Returns the words of each pattern, by the field that has it."""
    seen: set[str] = set()
    words = {
        field.full_name: [each.pattern_in_words for each in _all(constraints(field)) if each.pattern]
        for service in descriptors.load(()).services
        for policy in service_policies(service)
        for message in _messages(policy.descriptor.input_type, seen)
        for field in message.fields
    }
    return {name: each for name, each in words.items() if each}


def test_every_pattern_has_words() -> None:
    """A regular expression in an answer does not help to correct a request."""
    patterns = _patterns()

    assert patterns
    assert {name for name, words in patterns.items() if not all(words)} == set()


def test_pages_say_them_in_each_language() -> None:
    """`/account` and `/admin` call auth-service and user-service, and show a field's error beside it."""
    of_pages = {
        f"script.rules.must be {words}"
        for name, each in _patterns().items()
        if name.startswith(("vestibule.auth.", "vestibule.users."))
        for words in each
    }

    assert of_pages
    for language, catalog in read_catalogs(files("auth_service.languages")).items():
        assert of_pages - catalog.messages.keys() == set(), language
