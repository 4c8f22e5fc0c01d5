"""JSON to messages and back: whatever a client sends, the answer is a message or named errors."""

from typing import Any

import orjson
from gateway.api import descriptors
from gateway.api.decoder import Errors, compile_decoder
from gateway.api.fields import enum_names
from gateway.api.message_encoder import compile_encoder
from gateway.api.objects import encode_object, fill_object
from gateway.api.router import Router
from gateway.api.routes import compile_routes
from gateway.times import rfc3339
from google.protobuf.struct_pb2 import Struct
from hypothesis import example, given
from hypothesis import strategies as st
from vestibule.auth.v1 import audit_service_pb2, auth_service_pb2
from vestibule.health.v1 import health_service_pb2
from vestibule.users.v1 import user_pb2, user_service_pb2
from vestibule.voice.v1 import voice_service_pb2

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
UPDATE = user_service_pb2.UpdateUserRequest.DESCRIPTOR
DECODE = compile_decoder(UPDATE.fields)
NAMES = st.sampled_from([field.name for field in UPDATE.fields])


@given(st.dictionaries(NAMES | st.text(max_size=8), JSON, max_size=6))
@example({"role": "admin", "is_active": True, "full_name": "\ud800"})
@example({"is_active": 1, "role": 2})
def test_anything_decodes_or_is_named(values: dict[str, Any]) -> None:
    """No value makes the decoder fail, and every key is taken or named."""
    message, errors = user_service_pb2.UpdateUserRequest(), Errors()
    DECODE(message, values, errors)
    named = {error.field for error in errors}

    for name, value in values.items():
        taken = name in UPDATE.fields_by_name and bool(getattr(message, name) or value in ("", False))
        assert taken or any(field.startswith(name[:8].encode("utf-8", "replace").decode()) for field in named)


USERS = st.builds(
    user_pb2.User,
    id=st.uuids().map(str),
    email=st.text(st.characters(exclude_categories=["Cs"])),
    role=st.sampled_from([user_pb2.ROLE_USER, user_pb2.ROLE_ADMIN]),
    is_active=st.booleans(),
)


@given(USERS)
def test_messages_are_shown_whole(user: user_pb2.User) -> None:
    """Every field is in the JSON, unset ones as null, and none that travels as a header."""
    shown = orjson.loads(orjson.dumps(compile_encoder(user_pb2.User.DESCRIPTOR)(user)))

    assert shown.keys() == {field.name for field in user_pb2.User.DESCRIPTOR.fields} - {"etag"}
    assert shown["email"] == user.email
    assert shown["role"] == {1: "user", 2: "admin"}[user.role]
    assert shown["created_at"] is None


def test_times_are_utc_to_the_millisecond() -> None:
    """Digits beyond are cut, not rounded into a time that has not come."""
    assert rfc3339(1_795_428_000, 999_999_999) == "2026-11-23T10:00:00.999Z"


def test_only_oneof_stands_for_its_member() -> None:
    """Signing in answers tokens, or a challenge, without a wrapper around them."""
    encode = compile_encoder(auth_service_pb2.LoginResponse.DESCRIPTOR)
    challenge = auth_service_pb2.MfaChallenge(mfa_required=True, mfa_token="t", methods=["totp"])

    assert encode(auth_service_pb2.LoginResponse(mfa=challenge))["mfa_required"] is True
    assert encode(auth_service_pb2.LoginResponse()) is None


def test_numbers_beyond_json_are_null() -> None:
    """JSON has no NaN."""
    component = health_service_pb2.Component(latency_ms=float("nan"))

    assert compile_encoder(component.DESCRIPTOR)(component)["latency_ms"] is None


def test_maps_and_wide_numbers() -> None:
    """Maps are objects in a steady order; 64-bit numbers are numbers."""
    event = audit_service_pb2.AuditEvent(sequence=2**60, details={"b": "2", "a": "1"})
    shown = compile_encoder(event.DESCRIPTOR)(event)

    assert (shown["sequence"], list(shown["details"])) == (2**60, ["a", "b"])


def test_enum_names_lose_their_prefix() -> None:
    """ROLE_ADMIN is admin; the unspecified value has no name."""
    assert enum_names(user_pb2.Role.DESCRIPTOR) == {1: "user", 2: "admin"}


def test_router_prefers_words_to_variables() -> None:
    """`/api/users/me` is not the user with the id `me`."""
    routes = compile_routes(descriptors.load().services)
    router = Router((route.method, route.segments, route) for route in routes)
    me, other = router.find(b"/api/users/me"), router.find(b"/api/users/123")

    assert me is not None
    assert other is not None
    assert me.by_method["GET"].template == "/api/users/me"
    assert other.values == {"user_id": "123"}
    assert router.find(b"/api/users/") is None
    assert router.find(b"/api/users/a/b/c/d") is None


@given(JSON)
@example({"empty": {}, "none": None, "deep": [[[{"a": [1, 2.5, True, ""]}]]], "ü": []})
@example({"surrogate": "\ud800", "nul\0": 1})
@example({"big": 2**80})
def test_objects_of_any_shape(value: Any) -> None:
    """What a message can hold comes back as it was; what it cannot is an error."""
    message, errors = Struct(), Errors()
    fill_object(message, value, "it", errors)

    if errors:
        assert [error.field for error in errors] == ["it"]
        assert not message.fields
    else:
        received = Struct.FromString(message.SerializeToString())
        assert orjson.loads(orjson.dumps(encode_object(received))) == value


def test_objects_are_not_endlessly_deep() -> None:
    """What protobuf could not read again is refused."""
    value: dict[str, Any] = {}
    for _ in range(100):
        value = {"in": value}
    errors = Errors()
    fill_object(Struct(), value, "it", errors)

    assert [error.message for error in errors] == ["must not be nested more than 16 levels deep"]


def test_ids_are_taken_in_either_case() -> None:
    """RFC 9562: UUIDs are read in either case. Everything behind the decoder compares lower case."""
    message, errors = user_service_pb2.UpdateUserRequest(), Errors()
    DECODE(message, {"user_id": "0192F1C4-0000-7000-8000-00000000ABCD"}, errors)

    assert (message.user_id, errors) == ("0192f1c4-0000-7000-8000-00000000abcd", [])


def test_only_one_field_of_a_oneof() -> None:
    """The last one would win, and what the client sent besides would be lost without a word."""
    descriptor = voice_service_pb2.TranscribeRequest.DESCRIPTOR
    message, errors = voice_service_pb2.TranscribeRequest(), Errors()
    compile_decoder(descriptor.fields)(message, {"finish": {}, "start": {}}, errors)

    assert [(each.field, each.message) for each in errors] == [
        ("start", "must not be sent together with finish")
    ]
