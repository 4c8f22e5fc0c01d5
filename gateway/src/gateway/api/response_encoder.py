"""Encodes a method's response: JSON data, pagination, headers, cookies and status, without the envelope."""

from collections.abc import Callable
from typing import Any

import orjson
from chassis.dataclass import dataclass
from chassis.grpc.field_rules import field_rules
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.api.fields import PAGINATION, cookie_of
from gateway.api.message_encoder import Encode, compile_encoder, compile_headers
from gateway.api.routes import Route
from gateway.http.cookies import set_cookie
from gateway.http.response import Header


@dataclass(frozen=True, slots=True, weakref_slot=True)
class EncodedResponse:
    """An encoded response, independent of the request; the near cache holds these.

    Attributes:
        data: The envelope's `data`.
        pagination: The envelope's `metadata.pagination`; empty for none.
        headers: The fields that are sent as headers.
        cookies: The fields that are sent as cookies: `Set-Cookie` without `Secure`.
        status: The status in place of success, by the method's status rule; None for success.
        created: Whether the method's `created_field` says that the call has created the resource.
    """

    data: bytes
    pagination: bytes = b""
    headers: tuple[Header, ...] = ()
    cookies: tuple[bytes, ...] = ()
    status: int | None = None
    created: bool = False


def compile_response_encoder(route: Route) -> Callable[[Any], EncodedResponse]:
    """Returns a function that encodes a route's responses."""
    output = route.policy.descriptor.output_type
    header_source, select = _header_source(output, route.response_field)
    encode = _encode(output, route.response_field)
    page = _page(output)
    getters = compile_headers(header_source)
    set_cookies = _cookies(output)
    rule = route.policy.options.status_rule
    created_field = route.policy.options.created_field

    def encode_response(response: Any) -> EncodedResponse:
        shown = encode(response)
        source = select(response)
        return EncodedResponse(
            orjson.dumps(shown),
            page(response) if page is not None else b"",
            tuple((name, value.encode("latin-1")) for name, get in getters if (value := get(source))),
            set_cookies(response) if set_cookies is not None else (),
            rule.status if rule.field and shown.get(rule.field) == rule.value else None,
            bool(created_field) and getattr(response, created_field),
        )

    return encode_response


def _header_source(
    output: Descriptor, field: FieldDescriptor | None
) -> tuple[Descriptor, Callable[[Any], Any]]:
    """Returns the message that headers come from, and a function that gets it from the response."""
    if field is None or field.message_type is None or field.is_repeated:
        return output, lambda response: response
    name = field.name
    return field.message_type, lambda response: getattr(response, name)


def _encode(output: Descriptor, field: FieldDescriptor | None) -> Encode:
    if field is None:
        return compile_encoder(output)
    name = field.name
    if field.message_type is not None and not field.is_repeated:
        inner = compile_encoder(field.message_type)
        return lambda response: inner(getattr(response, name))
    whole = compile_encoder(output)
    return lambda response: whole(response)[name]


def _cookies(output: Descriptor) -> Callable[[Any], tuple[bytes, ...]] | None:
    rules = [(field.name, field_rules(field).cookie) for field in output.fields if cookie_of(field)]
    if not rules:
        return None
    return lambda response: tuple(
        set_cookie(rule.name, value, path=rule.path, max_age_seconds=rule.max_age.seconds)
        for name, rule in rules
        if (value := getattr(response, name))
    )


def _page(output: Descriptor) -> Callable[[Any], bytes] | None:
    for field in output.fields:
        if field.message_type is not None and field.message_type.full_name == PAGINATION:
            name, encode = field.name, compile_encoder(field.message_type)
            return lambda response: orjson.dumps(encode(getattr(response, name)))
    return None
