"""Builds the method's message from a request's path, query, headers, cookies and body."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import orjson
from chassis.errors import FieldError, Invalid
from chassis.grpc.authorization import compile_request_authorization
from chassis.grpc.constraints import compile_validator
from chassis.grpc.field_rules import field_rules
from chassis.grpc.stream_policy import binary_field
from google.protobuf.message_factory import GetMessageClass

from gateway.api.decoder import Errors, compile_decoder, compile_text_setter
from gateway.api.fields import cookie_of, header_of
from gateway.api.routes import Route
from gateway.http.cookies import cookies
from gateway.http.origins import require_same_origin
from gateway.http.problems import InvalidJson, RepeatedKey
from gateway.http.request import Request

QUERY_PAIRS_MAX = 100

LISTS = frozenset({b"if-match", b"if-none-match"})
"""Headers whose repetition makes a list (RFC 9110, 5.3); every other one has a single value."""

ReadRequest = Callable[[Request, Mapping[str, str], bytes], Any]
"""Takes the request, the path's values and the body; returns the message."""

ReadMessage = Callable[[Request, Mapping[str, str], Mapping[str, Any] | None, bytes | None], Any]
"""Takes request, path values, the JSON object that holds the other fields, and the content of the bytes field
that is marked as a binary frame; returns the message."""


def compile_reader(route: Route) -> ReadRequest:
    """Returns a function that reads a route's requests.

    It raises `InvalidJson` and what `compile_message_reader` raises.
    """
    read_message = compile_message_reader(route)

    def read(request: Request, path: Mapping[str, str], body: bytes) -> Any:
        has_body = route.body or (body and route.reads_body)
        return read_message(request, path, parse_body(body) if has_body else None, None)

    return read


def compile_message_reader(route: Route) -> ReadMessage:
    """Returns what makes one message of a request and of what its body, or one frame, holds.

    It raises `Forbidden` or `ReauthenticationRequired` where the policy has a say about the fields,
    `Forbidden` also for a field that no other origin may send, and `Invalid` naming every wrong field.
    """
    message_type = GetMessageClass(route.policy.descriptor.input_type)
    validate = compile_validator(route.policy.descriptor.input_type)
    authorize = compile_request_authorization(route.policy)
    decode = compile_decoder(route.body_fields)
    of_path = {field.name: compile_text_setter(field) for field in route.path_fields}
    of_headers = {
        header_of(field).lower().encode(): (field.name, compile_text_setter(field))
        for field in route.header_fields
    }
    own_pages_only = {
        header_of(field).lower().encode() for field in route.header_fields if field_rules(field).same_origin
    }
    set_query, set_cookies = _query_setter(route), _cookie_setter(route)
    defaults = _defaults(route)

    binary = binary_field(route.policy.descriptor.input_type)

    def read(
        request: Request, path: Mapping[str, str], values: Mapping[str, Any] | None, data: bytes | None
    ) -> Any:
        message = message_type()
        errors: Errors = []
        for name, value in path.items():
            of_path[name](message, value, name, errors)
        set_query(message, request, errors)
        for header, (name, setter) in of_headers.items():
            if header in request.headers:
                if header in own_pages_only:
                    require_same_origin(request)
                if header in request.repeated_headers and header not in LISTS:
                    errors.append(FieldError(name, "is given more than once"))
                setter(message, request.header(header), name, errors)
        set_cookies(message, request, errors)
        if values is not None:
            decode(message, values, errors)
        if data is not None and binary is not None:
            setattr(message, binary.name, data)
        if authorize is not None and request.claims is not None:
            authorize(message, request.claims)
        _fill_in(message, defaults)
        _validate(message, validate, errors)
        return message

    return read


def _query_setter(route: Route) -> Callable[[Any, Request, Errors], None]:
    """Returns a function that sets the fields in the query; parameters of no field are ignored."""
    setters = {field.name: compile_text_setter(field) for field in route.query_fields}
    repeated = {field.name for field in route.query_fields if field.is_repeated}

    def set_fields(message: Any, request: Request, errors: Errors) -> None:
        if not setters or not request.query:
            return
        seen: set[str] = set()
        for name, value in _query(request.query):
            if name not in setters:
                continue
            if name in seen and name not in repeated:
                errors.append(FieldError(name, "is given more than once"))
            seen.add(name)
            setters[name](message, value, name, errors)

    return set_fields


def _cookie_setter(route: Route) -> Callable[[Any, Request, Errors], None]:
    """Returns a function that sets the fields that are sent as cookies."""
    setters = {cookie_of(field): (field.name, compile_text_setter(field)) for field in route.cookie_fields}

    def set_fields(message: Any, request: Request, errors: Errors) -> None:
        if not setters or b"cookie" not in request.headers:
            return
        for cookie, value in cookies(request.header(b"cookie")):
            if cookie in setters:
                name, setter = setters[cookie]
                setter(message, value, name, errors)

    return set_fields


def parse_body(body: bytes) -> dict[str, Any]:
    """Returns the JSON object in a body.

    Raises:
        InvalidJson: there is none.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"\\u" not in body:
            raise InvalidJson from error
        # A lone surrogate is valid JSON but not valid text: the decoder reports which field has it.
        value = _parse_leniently(body)
    if not isinstance(value, dict):
        raise InvalidJson
    _check_keys(body)
    return value


def _check_keys(body: bytes) -> None:
    """Raises `RepeatedKey` if an object in valid JSON has the same key twice: orjson keeps the last."""
    with suppress(RecursionError):  # The decoder refuses nesting of this depth.
        json.loads(body, object_pairs_hook=_unique_keys, parse_int=str, parse_float=str)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedKey
    return found


def _parse_leniently(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidJson from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _query(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=QUERY_PAIRS_MAX
        )
    except ValueError as error:
        raise Invalid.on("query", "must be valid UTF-8, percent-encoded") from error


def _defaults(route: Route) -> dict[str, Any]:
    rules = ((field.name, field_rules(field).default_value) for field in route.query_fields)
    return {name: json.loads(value) for name, value in rules if value}


def _fill_in(message: Any, defaults: Mapping[str, Any]) -> None:
    for name, value in defaults.items():
        if not message.HasField(name):
            setattr(message, name, value)


def _validate(message: Any, validate: Callable[[Any], None] | None, errors: Errors) -> None:
    """Adds errors by the field rules for fields that could be decoded; raises if there are any errors."""
    if validate is not None:
        try:
            validate(message)
        except Invalid as invalid:
            # A field that could not be decoded is absent for the rules; one error is enough.
            named = {error.field for error in errors}
            errors.extend(error for error in invalid.field_errors if error.field not in named)
    if errors:
        raise Invalid(field_errors=errors)
