"""The statuses besides success that a route is documented with: by its policy, fields and comment."""

import re
from collections.abc import Mapping

from chassis.grpc.field_rules import field_rules
from vestibule.api.v1 import options_pb2

from gateway.api.fields import header_of
from gateway.api.routes import Route, RouteKind
from gateway.http.problems import PayloadTooLarge, body_too_large

CODES: Mapping[str, int] = {
    "INVALID_JSON": 400,
    "BAD_REQUEST": 400,
    "UNAUTHENTICATED": 401,
    "TOKEN_INVALID": 401,
    "TOKEN_EXPIRED": 401,
    "TOKEN_REVOKED": 401,
    "INVALID_CREDENTIALS": 401,
    "REAUTHENTICATION_REQUIRED": 401,
    "FORBIDDEN": 403,
    "SECOND_FACTOR_REQUIRED": 403,
    "EMAIL_NOT_VERIFIED": 403,
    "ACCOUNT_DISABLED": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408,
    "EMAIL_TAKEN": 409,
    "LAST_ADMIN": 409,
    "CONFLICT": 409,
    "VERSION_CONFLICT": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "VALIDATION_ERROR": 422,
    "WEAK_PASSWORD": 422,
    "UPGRADE_REQUIRED": 426,
    "RATE_LIMITED": 429,
    "TOO_MANY_ATTEMPTS": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The contract's codes and their statuses; `docs/errors.md` says what to do about each."""

MEANINGS: Mapping[int, str] = {
    304: "The client's copy is current.",
    400: "The request or its body is malformed.",
    401: "The request is not authenticated, or its token or password is not valid.",
    403: "The caller is not allowed to do this.",
    404: "The resource does not exist.",
    408: "The request did not arrive in time.",
    409: "The request conflicts with the current state.",
    412: "`If-Match` names another version.",
    415: "The body is not `application/json`.",
    422: "A field is wrong; `error.details.errors` names each.",
    426: "The path is a WebSocket's.",
    429: "Too many requests or attempts; `Retry-After` says when to try again.",
    500: "An internal error.",
    503: "Try again later.",
    504: "The response did not arrive in time.",
}

_NAMED = re.compile(r"\b[A-Z][A-Z_]+\b")
# Any route can return these.
_ALWAYS = frozenset({"BAD_REQUEST", "RATE_LIMITED", "INTERNAL"})
_BY_CALLING = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
_GUARDED = frozenset({"UNAUTHENTICATED", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED", "FORBIDDEN"})
_WITH_BODY = frozenset({"INVALID_JSON", "REQUEST_TIMEOUT", "UNSUPPORTED_MEDIA_TYPE"})


def documented_statuses(route: Route, comment: str) -> dict[int, str]:
    """Returns the statuses other than success, each with its meaning and codes.

    Args:
        route: The route.
        comment: The method's comment, where `Errors:` is followed by its own codes.
    """
    codes = _codes(route, comment)
    meanings = {**MEANINGS, PayloadTooLarge.status: body_too_large(route.body_bytes_max)}
    found = {
        status: f"{meanings[status]} {_listed(codes, status)}" for status in {CODES[code] for code in codes}
    }
    if route.method == "GET" and _has_etag(route):
        found[304] = MEANINGS[304]
    return dict(sorted(found.items()))


def named_errors(comment: str) -> set[str]:
    """Returns the codes that a method's comment names after `Errors:`."""
    return set(_NAMED.findall(comment.partition("Errors:")[2])) & CODES.keys()


def _codes(route: Route, comment: str) -> set[str]:
    policy = route.policy
    codes = set(_ALWAYS | _BY_CALLING | {"PAYLOAD_TOO_LARGE"}) | named_errors(comment)
    if policy.access != options_pb2.ACCESS_PUBLIC:
        codes |= _GUARDED
        if not policy.options.before_enrolment:
            codes.add("SECOND_FACTOR_REQUIRED")
    rules = [policy.options, *(field_rules(field).access for field in policy.descriptor.input_type.fields)]
    if any(each.HasField("max_auth_age") for each in rules):
        codes.add("REAUTHENTICATION_REQUIRED")
    if route.reads_body:
        codes |= _WITH_BODY
    if policy.descriptor.input_type.fields or route.method == "POST":
        codes.add("VALIDATION_ERROR")
    if route.takes_idempotency_key:
        # The stored response of an Idempotency-Key may have ended.
        codes.add("CONFLICT")
    if route.kind is RouteKind.WEBSOCKET:
        codes |= {"UPGRADE_REQUIRED", "FORBIDDEN"}
    if any(field_rules(field).same_origin for field in route.header_fields):
        codes.add("FORBIDDEN")
    if "If-Match" in {header_of(field) for field in route.header_fields}:
        codes.add("VERSION_CONFLICT")
    return codes


def _listed(codes: set[str], status: int) -> str:
    names = sorted(code for code in codes if CODES[code] == status)
    return f"{', '.join(f'`{name}`' for name in names)}."


def _has_etag(route: Route) -> bool:
    field = route.response_field
    if field is None or field.message_type is None or field.is_repeated:
        return False
    return "ETag" in {header_of(each) for each in field.message_type.fields}
