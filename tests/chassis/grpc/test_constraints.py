"""Every field rule is enforced, on every level, in words that a client can read."""

import re
import uuid
from typing import Any

import pytest
from chassis.errors import Invalid
from chassis.grpc.constraints import compile_validator
from chassis.grpc.field_rules import UnsupportedRuleError
from chassis.grpc.value_checks import HIDDEN, is_email
from chassis.text import is_visible
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
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


def wrong_with(value: Any, rules: str, kind: Any = FieldProto.TYPE_STRING) -> str | None:
    """Returns what is wrong with the value of one optional field under rules."""
    descriptor = declare(Thing=[field("value", kind, optional=True, rules=rules)])
    return wrong(make(descriptor, value=value)).get("value")


@pytest.mark.parametrize(
    ("rules", "value", "expected"),
    [
        ("", "any text\n", None),
        ("", "a\0b", "must not contain NUL characters"),
        ("string {max_len: 3}", "äöü", None),
        ("string {max_len: 3}", "äöü!", "must be at most 3 characters"),
        ("string {max_len: 1}", "🙂", None),
        ("string {min_len: 1}", "", "must be at least 1 character"),
        ("string {min_len: 8}", "1234567", "must be at least 8 characters"),
        ("required: true", "", "is required"),
        ("string {[vestibule.api.v1.email_address]: true}", "", "not an e-mail address"),
        ("string {[vestibule.api.v1.email_address]: true}", "ada@example.com", None),
        ("string {uuid: true}", "0192f1c4-0000-7000-8000-000000000000", None),
        ("string {uuid: true}", "0192F1C4-0000-7000-8000-000000000000", "not a UUID"),
        ("string {uuid: true}", "{0192f1c4-0000-7000-8000-000000000000}", "not a UUID"),
        ("string {uuid: true}", "0192f1c4-0000-7000-8000-000000000000\n", "not a UUID"),
        ("string {[vestibule.api.v1.line]: true}", "Ada Lovelace", None),
        ("string {[vestibule.api.v1.line]: true}", "آدا‌لاولیس", None),
        ("string {[vestibule.api.v1.line]: true}", "a\tb", "must not contain control characters"),
        ("string {[vestibule.api.v1.line]: true}", "a\u2028b", "must not contain control characters"),
        ("string {[vestibule.api.v1.line]: true}", "a\x85b", "must not contain control characters"),
        ("string {[vestibule.api.v1.line]: true}", " \u00a0\u200b", "must not be blank"),
        ("string {[vestibule.api.v1.line]: true}", "Ada\u202eecalevoL", HIDDEN),
        ("string {[vestibule.api.v1.line]: true}", "\u0dc1\u0dca\u200d\u0dbb\u0dd3", None),
        ("string {[vestibule.api.v1.not_blank]: true}", "\n\ta\n", None),
        ("string {[vestibule.api.v1.not_blank]: true}", "\n\u3000\u200b\ufeff", "must not be blank"),
        ('string {pattern: "^[a-z]+$"}', "abc", None),
        ('string {pattern: "^[a-z]+$"}', "abc\n", "must match ^[a-z]+$"),
        (
            'string {pattern: "^[a-z]+$" [vestibule.api.v1.pattern_in_words]: "letters"}',
            "1",
            "must be letters",
        ),
        ('string {in: ["a", "-a"]}', "-a", None),
        ('string {in: ["a", "-a"]}', "b", "must be one of a, -a"),
    ],
)
def test_rules_of_strings(rules: str, value: str, expected: str | None) -> None:
    """Lengths count code points; forms match the whole string."""
    assert expected == wrong_with(value, rules)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (FieldProto.TYPE_INT32, 1, None),
        (FieldProto.TYPE_INT32, 0, "must be at least 1"),
        (FieldProto.TYPE_INT64, -(2**63), "must be at least 1"),
        (FieldProto.TYPE_UINT32, 101, "must be at most 100"),
        (FieldProto.TYPE_DOUBLE, 100.5, "must be at most 100.0"),
        (FieldProto.TYPE_DOUBLE, float("nan"), "must be at least 1.0"),
    ],
)
def test_rules_of_numbers(kind: Any, value: float, expected: str | None) -> None:
    """A range holds for every number, a zero that was sent included."""
    name = FieldProto.Type.Name(kind).removeprefix("TYPE_").lower()

    assert expected == wrong_with(value, f"{name} {{gte: 1, lte: 100}}", kind)


def test_absent_fields_have_nothing_wrong_with_them() -> None:
    """Rules are about values; only `required` is about absence, which a plain field cannot express."""
    rules = "string {min_len: 3, uuid: true}"
    descriptor = declare(
        Thing=[
            field("ignoring", rules=f"ignore: IGNORE_IF_ZERO_VALUE, {rules}"),
            field("optional", optional=True, rules=rules),
            field("plain", rules=rules),
            field("must", rules="required: true"),
        ]
    )

    assert wrong(make(descriptor)) == {"plain": "must be at least 3 characters", "must": "is required"}


def test_required_values_of_every_kind() -> None:
    """A false is a value, also where its absence cannot be seen."""
    inner = declare(
        Thing=[
            field("flag", FieldProto.TYPE_BOOL, rules="required: true"),
            field("seen", FieldProto.TYPE_BOOL, optional=True, rules="required: true"),
            field("number", FieldProto.TYPE_INT32, rules="required: true"),
            field("part", FieldProto.TYPE_MESSAGE, type_name="Part", rules="required: true"),
            field("parts", FieldProto.TYPE_MESSAGE, type_name="Part", repeated=True, rules="required: true"),
            field("raw", FieldProto.TYPE_BYTES, rules="required: true"),
        ],
        Part=[],
    )

    assert {"seen", "number", "part", "parts", "raw"} == set(wrong(make(inner)))
    assert wrong(make(inner, seen=False, number=1, part={}, parts=[{}], raw=b"x")) == {}


def test_a_list_may_be_absent_and_not_short() -> None:
    """No items are no list where the proto leaves an empty value alone."""
    rules = "ignore: IGNORE_IF_ZERO_VALUE, repeated {min_items: 2}"
    descriptor = declare(Thing=[field("tags", repeated=True, rules=rules)])

    assert wrong(make(descriptor)) == {}
    assert wrong(make(descriptor, tags=["a"])) == {"tags": "must be at least 2 items"}


def test_nested_fields_are_named_by_their_path() -> None:
    """Lists, messages and messages that hold themselves are walked to the end."""
    descriptor = declare(
        Tree=[
            field("name", rules="string {max_len: 3}"),
            field(
                "tags",
                repeated=True,
                rules="repeated {max_items: 2, items {string {[vestibule.api.v1.line]: true}}}",
            ),
            field("left", FieldProto.TYPE_MESSAGE, type_name="Tree"),
            field("leaves", FieldProto.TYPE_MESSAGE, type_name="Leaf", repeated=True),
        ],
        Leaf=[field("colour", rules='string {in: ["green"]}')],
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
    """proto3 lets any number through; the servers do not."""
    request = user_service_pb2.UpdateUserRequest(user_id=str(uuid.uuid4()), role=7)  # type: ignore[arg-type]

    assert wrong(request) == {"role": "not a known value"}


@pytest.mark.parametrize(
    "rules",
    [
        'string {prefix: "a"}',
        "string {email: true}",
        'cel: {id: "x", expression: "this != \\"\\""}',
        "string {max_len: 3, ip: true}",
        "ignore: IGNORE_ALWAYS",
    ],
)
def test_rules_that_are_not_enforced_are_refused(rules: str) -> None:
    """A rule in a proto that holds nowhere is worse than none."""
    with pytest.raises(UnsupportedRuleError, match=r"declared\d+\.Thing\.value: buf\.validate's rule"):
        compile_validator(declare(Thing=[field("value", rules=rules)]))


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
