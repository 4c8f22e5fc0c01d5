"""Every field rule is enforced, on every level, in words that a client can read."""

import re
import uuid
from typing import Any

import pytest
from chassis.errors import Invalid
from chassis.grpc.constraints import compile_validator
from chassis.grpc.field_rules import HIDDEN, is_email
from chassis.text import is_visible
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from vestibule.api.v1 import options_pb2
from vestibule.auth.v1 import auth_service_pb2
from vestibule.users.v1 import user_service_pb2

from tests.chassis.grpc.declared import FieldProto, declare, field, make


def wrong(message: Message) -> dict[str, str]:
    """Returns what is wrong with a message, by field."""
    descriptor: Any = message.DESCRIPTOR
    validate = compile_validator(descriptor)
    if validate is None:
        return {}
    try:
        validate(message)
    except Invalid as error:
        return {each.field: each.message for each in error.field_errors}
    return {}


def wrong_with(value: Any, kind: Any = FieldProto.TYPE_STRING, **rules: Any) -> str | None:
    """Returns what is wrong with the value of one optional field under rules."""
    descriptor = declare(Thing=[field("value", kind, optional=True, **rules)])
    return wrong(make(descriptor, value=value)).get("value")


@pytest.mark.parametrize(
    ("rules", "value", "expected"),
    [
        ({}, "any text\n", None),
        ({}, "a\0b", "must not contain NUL characters"),
        ({"max_length": 3}, "äöü", None),
        ({"max_length": 3}, "äöü!", "must be at most 3 characters"),
        ({"max_length": 1}, "🙂", None),
        ({"min_length": 1}, "", "must be at least 1 character"),
        ({"min_length": 8}, "1234567", "must be at least 8 characters"),
        ({"required": True}, "", "is required"),
        ({"format": options_pb2.FORMAT_EMAIL}, "", "not an e-mail address"),
        ({"format": options_pb2.FORMAT_EMAIL}, "ada@example.com", None),
        ({"format": options_pb2.FORMAT_UUID}, "0192f1c4-0000-7000-8000-000000000000", None),
        ({"format": options_pb2.FORMAT_UUID}, "0192F1C4-0000-7000-8000-000000000000", "not a UUID"),
        ({"format": options_pb2.FORMAT_UUID}, "{0192f1c4-0000-7000-8000-000000000000}", "not a UUID"),
        ({"format": options_pb2.FORMAT_UUID}, "0192f1c4-0000-7000-8000-000000000000\n", "not a UUID"),
        ({"format": options_pb2.FORMAT_LINE}, "Ada Lovelace", None),
        ({"format": options_pb2.FORMAT_LINE}, "آدا‌لاولیس", None),
        ({"format": options_pb2.FORMAT_LINE}, "a\tb", "must not contain control characters"),
        ({"format": options_pb2.FORMAT_LINE}, "a\u2028b", "must not contain control characters"),
        ({"format": options_pb2.FORMAT_LINE}, "a\x85b", "must not contain control characters"),
        ({"format": options_pb2.FORMAT_LINE}, " \u00a0\u200b", "must not be blank"),
        ({"format": options_pb2.FORMAT_LINE}, "Ada\u202eecalevoL", HIDDEN),
        ({"format": options_pb2.FORMAT_LINE}, "\u0dc1\u0dca\u200d\u0dbb\u0dd3", None),
        ({"pattern": "[a-z]+"}, "abc", None),
        ({"pattern": "[a-z]+"}, "abc\n", "must match [a-z]+"),
        ({"one_of": ["a", "-a"]}, "-a", None),
        ({"one_of": ["a", "-a"]}, "b", "must be one of a, -a"),
    ],
)
def test_rules_of_strings(rules: dict[str, Any], value: str, expected: str | None) -> None:
    """Lengths count code points; forms match the whole string."""
    assert expected == wrong_with(value, **rules)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (FieldProto.TYPE_INT32, 1, None),
        (FieldProto.TYPE_INT32, 0, "must be at least 1"),
        (FieldProto.TYPE_INT64, -(2**63), "must be at least 1"),
        (FieldProto.TYPE_UINT32, 101, "must be at most 100"),
        (FieldProto.TYPE_DOUBLE, 100.5, "must be at most 100"),
        (FieldProto.TYPE_DOUBLE, float("nan"), "must be at least 1"),
    ],
)
def test_rules_of_numbers(kind: Any, value: float, expected: str | None) -> None:
    """A range holds for every number, a zero that was sent included."""
    assert expected == wrong_with(value, kind, minimum=1, maximum=100)


def test_absent_fields_have_nothing_wrong_with_them() -> None:
    """Rules speak of values; only `required` speaks of absence."""
    rules: dict[str, Any] = {"min_length": 3, "format": options_pb2.FORMAT_EMAIL}
    descriptor = declare(
        Thing=[
            field("plain", **rules),
            field("optional", optional=True, **rules),
            field("must", required=True),
        ]
    )

    assert wrong(make(descriptor)) == {"must": "is required"}


def test_required_values_of_every_kind() -> None:
    """A false is a value, also where its absence cannot be seen."""
    inner = declare(
        Thing=[
            field("flag", FieldProto.TYPE_BOOL, required=True),
            field("seen", FieldProto.TYPE_BOOL, optional=True, required=True),
            field("number", FieldProto.TYPE_INT32, required=True),
            field("part", FieldProto.TYPE_MESSAGE, type_name="Part", required=True),
            field("parts", FieldProto.TYPE_MESSAGE, type_name="Part", repeated=True, required=True),
            field("raw", FieldProto.TYPE_BYTES, required=True),
        ],
        Part=[],
    )

    assert {"seen", "number", "part", "parts", "raw"} == set(wrong(make(inner)))
    assert wrong(make(inner, seen=False, number=1, part={}, parts=[{}], raw=b"x")) == {}


def test_nested_fields_are_named_by_their_path() -> None:
    """Lists, messages and messages that hold themselves are walked to the end."""
    descriptor = declare(
        Tree=[
            field("name", max_length=3),
            field("tags", repeated=True, max_length=2, format=options_pb2.FORMAT_LINE),
            field("left", FieldProto.TYPE_MESSAGE, type_name="Tree"),
            field("leaves", FieldProto.TYPE_MESSAGE, type_name="Leaf", repeated=True),
        ],
        Leaf=[field("colour", one_of=["green"])],
    )
    tree = make(
        descriptor,
        left={"left": {"name": "long"}, "tags": ["ok", "\n"]},
        leaves=[{"colour": "green"}, {"colour": "red"}],
        tags=["1", "2", "3"],
    )

    assert wrong(tree) == {
        "tags": "must be at most 2 items",
        "left.left.name": "must be at most 3 characters",
        "left.tags[1]": "must not contain control characters",
        "leaves[1].colour": "must be one of green",
    }


def test_nul_is_found_everywhere() -> None:
    """Postgres cannot store NUL, wherever in a message it hides: in keys and values of maps too."""
    descriptor = declare(Thing=[field("free", FieldProto.TYPE_MESSAGE, type_name=".google.protobuf.Struct")])
    thing = make(descriptor)
    thing.free.update({"a": {"b": ["c\0"]}})  # type: ignore[attr-defined]
    other = make(descriptor)
    other.free.update({"a\0": 1})  # type: ignore[attr-defined]

    assert list(wrong(thing).values()) == ["must not contain NUL characters"]
    assert wrong(other) == {"free.fields": "must not contain NUL characters"}


def test_unknown_enum_numbers() -> None:
    """proto3 lets any number through; the house does not."""
    request = user_service_pb2.UpdateUserRequest(user_id=str(uuid.uuid4()), role=7)  # type: ignore[arg-type]

    assert wrong(request) == {"role": "not a known value"}


def test_unconstrained_messages_cost_nothing() -> None:
    """There is no validator where there is nothing to check."""
    assert compile_validator(user_service_pb2.GetMeRequest.DESCRIPTOR) is None


def test_no_value_is_ever_quoted() -> None:
    """A password that is refused does not end up in an answer or a log."""
    request = auth_service_pb2.LoginRequest(email="no e-mail", password="hunter2\0" + "x" * 200)

    assert "hunter2" not in str(wrong(request))
    assert {"email", "password"} == set(wrong(request))


@given(st.uuids())
def test_every_uuid_in_canonical_form_passes(identifier: uuid.UUID) -> None:
    """Whatever Python prints as a UUID is one."""
    assert wrong(user_service_pb2.GetUserRequest(user_id=str(identifier))) == {}


@given(
    st.from_regex(
        re.compile(r"[a-z0-9]{1,20}([._+-][a-z0-9]{1,10})?@[a-z]{1,20}\.[a-z]{2,10}"), fullmatch=True
    )
)
def test_plain_addresses_pass(address: str) -> None:
    """No e-mail address of the common shape is refused, whatever its top-level domain."""
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "ada@example.test", "ada@printer.local", "ada@host.invalid", "ädä@exämple.com"],
)
def test_addresses_at_special_domains_pass(address: str) -> None:
    """Whether mail gets there is not a question of form."""
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "ada@@example.com",
        "ada @example.com",
        "ada@example..com",
        ".ada@example.com",
        "ada@-example.com",
        "ada@[127.0.0.1]",
        "Ada <ada@example.com>",
        "ada@example.com\n",
        "ada@example.com, eve@example.com",
        "a" * 65 + "@example.com",
    ],
)
def test_what_is_not_an_address(address: str) -> None:
    """What no mail could be sent to is refused."""
    assert not is_email(address)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1))
def test_letters_digits_and_signs_can_be_seen(text: str) -> None:
    """Any script's letters make a name."""
    assert is_visible(text)
