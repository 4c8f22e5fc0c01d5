"""Authorization of authenticated callers, by the policies in the protos.

The gateway and every service compile the same rules in the same order: what is always forbidden (403)
comes before what reauthentication would allow (401), so that no user reauthenticates in vain.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from uuid import UUID

from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from vestibule.api.v1 import options_pb2

from chassis.errors import Forbidden, ReauthenticationRequired, SecondFactorRequired
from chassis.grpc.field_rules import field_rules
from chassis.grpc.policy import ADMIN_SCOPE, Policy, PolicyMissingError
from chassis.identity.claims import Claims
from chassis.identity.role import Role

Authorize: TypeAlias = Callable[[Claims], None]
AuthorizeRequest: TypeAlias = Callable[[Message, Claims], None]

_SUBJECT = "user_id"
_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def compile_authorization(policy: Policy) -> Authorize:
    """Returns a function that decides from the claims alone.

    It raises `SecondFactorRequired`, `Forbidden` or `ReauthenticationRequired`. What depends on the request
    is checked by `compile_request_authorization`.
    """
    before_enrolment, key_scopes = policy.options.before_enrolment, policy.key_scopes
    must_be_admin = policy.access == options_pb2.ACCESS_ADMIN
    max_age_seconds = 0 if _rules(policy) else policy.max_auth_age_seconds

    def authorize(claims: Claims) -> None:
        if claims.must_enrol and not before_enrolment:
            raise SecondFactorRequired
        if claims.scopes is not None and (key_scopes is None or not key_scopes <= claims.scopes):
            raise Forbidden
        if must_be_admin and claims.role is not Role.ADMIN:
            raise Forbidden
        if max_age_seconds and claims.scopes is None:
            require_recent_authentication(claims, max_age_seconds)

    return authorize


def compile_request_authorization(policy: Policy) -> AuthorizeRequest | None:
    """Returns a function that decides from claims and request; None if the request does not matter.

    It raises `Forbidden` or `ReauthenticationRequired`. Invalid requests are authorized too: fields that
    could not be decoded count as absent.

    Raises:
        PolicyMissingError: the protos declare something that cannot be enforced.
    """
    rules = _rules(policy)
    if not rules:
        return None
    ages = list(_ages(policy))

    def authorize(request: Message, claims: Claims) -> None:
        for rule in rules:
            rule(request, claims)
        if claims.scopes is None:
            for is_sent, max_age_seconds in ages:
                if is_sent(request):
                    require_recent_authentication(claims, max_age_seconds)

    return authorize


def require_recent_authentication(claims: Claims, max_age_seconds: int) -> None:
    """Returns if the caller authenticated recently enough.

    There is no leeway for clock skew: it would accept an old authentication, while without it a user is at
    worst asked half a minute early.

    Raises:
        ReauthenticationRequired: it was longer ago, or the token does not say when.
    """
    if time.time() - claims.auth_time > max_age_seconds:
        raise ReauthenticationRequired.within(max_age_seconds)


def _rules(policy: Policy) -> list[AuthorizeRequest]:
    """Returns the rules on requests that do not depend on time."""
    rules: list[AuthorizeRequest] = []
    if policy.access == options_pb2.ACCESS_ADMIN_OR_SELF:
        rules.append(_admin_or_self)
    if policy.options.HasField("keys_may"):
        rules.append(_within_allowance(policy))
    for field in policy.descriptor.input_type.fields:
        rule = field_rules(field)
        if rule.HasField("access"):
            rules.append(_field_rule(policy, field, rule.access))
    return rules


def _ages(policy: Policy) -> Iterator[tuple[Callable[[Message], bool], int]]:
    if policy.max_auth_age_seconds:
        yield (lambda _: True), policy.max_auth_age_seconds
    for field in policy.descriptor.input_type.fields:
        seconds = field_rules(field).access.max_auth_age.seconds
        if seconds:
            yield _sent(field), seconds


def _admin_or_self(request: Message, claims: Claims) -> None:
    is_admin = claims.role is Role.ADMIN and (claims.scopes is None or ADMIN_SCOPE in claims.scopes)
    if not is_admin and not _is_about(request, claims):
        raise Forbidden


def _field_rule(policy: Policy, field: FieldDescriptor, access: options_pb2.FieldAccess) -> AuthorizeRequest:
    if access.not_self and _SUBJECT not in policy.descriptor.input_type.fields_by_name:
        raise PolicyMissingError(f"{policy.path}: `not_self` of {field.name} needs a `{_SUBJECT}` beside it")
    if policy.access in (options_pb2.ACCESS_PUBLIC, options_pb2.ACCESS_SERVICE):
        raise PolicyMissingError(f"{policy.path}: `access` of {field.name} needs an authenticated caller")
    is_sent, not_self = _sent(field), access.not_self
    no_keys = access.session_only or bool(access.max_auth_age.seconds)

    def check(request: Message, claims: Claims) -> None:
        if not is_sent(request):
            return
        if (no_keys and claims.scopes is not None) or (not_self and _is_about(request, claims)):
            raise Forbidden

    return check


def _within_allowance(policy: Policy) -> AuthorizeRequest:
    message = policy.descriptor.input_type
    allowed: dict[str, Any] = {each.field: json.loads(each.value) for each in policy.options.keys_may.only}
    unknown = [name for name in allowed if name not in message.fields_by_name]
    if unknown:
        raise PolicyMissingError(
            f"{policy.path}: `keys_may` names {unknown}, which the request does not have"
        )
    free = set(_path_fields(policy))
    sent = {
        field.name: _sent(field)
        for field in message.fields
        if field.name not in free and not field_rules(field).header
    }

    def check(request: Message, claims: Claims) -> None:
        if claims.scopes is None:
            return
        found = {name: getattr(request, name) for name, is_sent in sent.items() if is_sent(request)}
        if found != allowed:
            raise Forbidden

    return check


def _path_fields(policy: Policy) -> list[str]:
    route = policy.descriptor.GetOptions().Extensions[annotations_pb2.http]
    pattern = route.WhichOneof("pattern")
    return _VARIABLE.findall(getattr(route, pattern)) if pattern is not None else []


def _sent(field: FieldDescriptor) -> Callable[[Message], bool]:
    name = field.name
    if field.has_presence:
        return lambda request: request.HasField(name)
    return lambda request: bool(getattr(request, name))


def _is_about(request: Message, claims: Claims) -> bool:
    """Whether the request's user is the caller, in any spelling of the id."""
    try:
        return UUID(getattr(request, _SUBJECT)) == claims.user_id
    except ValueError:
        return False
