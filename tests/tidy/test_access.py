"""Each method says who may call it, with how fresh a proof and how often: one that is added says so too."""

from collections.abc import Iterable
from typing import Any

import pytest
from chassis.grpc.field_rules import Form, constraints, field_rules
from chassis.grpc.policy import Policy, method_policy, service_policies
from gateway.api.descriptors import load
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2
from vestibule.api.v1 import options_pb2

SIGNED_IN = frozenset(
    {options_pb2.ACCESS_SIGNED_IN, options_pb2.ACCESS_ADMIN, options_pb2.ACCESS_ADMIN_OR_SELF}
)
WAYS_IN = frozenset({"email", "role", "is_active", "email_verified", "scopes", "secret", "public_key"})
"""Fields that decide who can get in, and as what, wherever a request carries them."""

LITTLE = duration_pb2.Duration(seconds=300)

WITHOUT_PROOF = {
    "Logout": "only takes away, and leaving should need no proof",
    "LogoutAll": "only takes away, and leaving should need no proof",
    "EndSession": "only takes away, and is what one does first when something is wrong",
    "RevokeApiKey": "only takes away, and is what one does first when something is wrong",
    "Reauthenticate": "is how the proof is given",
    "ChangePassword": "asks for the present password itself",
    "DeleteMe": "asks for the present password itself",
    "ConfirmTotp": "answers what BeginTotp began with a proof, in the same session",
    "AddPasskey": "answers what BeginPasskey began with a proof, in the same session",
    "ResendVerification": "mails to the stored address alone",
}
"""Methods of sessions that change something without a fresh proof, each with the reason why."""

POLICIES = [policy for service in load().services for policy in service_policies(service)]


def changes(policy: Policy) -> bool:
    """Whether a method changes something, by its route or else by its idempotency."""
    verb = _verb(policy)
    return verb != "get" if verb else not policy.read_only


def faults(policy: Policy) -> list[str]:
    """Returns what a method's policy leaves open."""
    return [*_scope_faults(policy), *_proof_faults(policy), *_limit_faults(policy)]


def _scope_faults(policy: Policy) -> Iterable[str]:
    options = policy.options
    if policy.access in SIGNED_IN and changes(policy) and not (options.scope or options.session_only):
        yield "changes something and states neither a scope for API keys nor session_only"
    if options.session_only and options.HasField("keys_may"):
        yield "is for sessions only and lets keys in"


def _proof_faults(policy: Policy) -> Iterable[str]:
    options, name = policy.options, policy.descriptor.name
    if policy.access not in SIGNED_IN or not changes(policy) or policy.max_auth_age_seconds:
        return
    if policy.access == options_pb2.ACCESS_ADMIN:
        yield "is an admin's change and asks for no fresh proof: max_auth_age"
    elif options.session_only and name not in WITHOUT_PROOF:
        yield "is a session's matter and asks for no fresh proof: max_auth_age, or a reason in WITHOUT_PROOF"
    elif not options.session_only:
        for field in policy.descriptor.input_type.fields:
            access = field_rules(field).access
            if field.name in WAYS_IN and not (access.session_only and access.max_auth_age.seconds):
                yield f"{field.name} decides who can get in and asks for no fresh proof and session"


def _limit_faults(policy: Policy) -> Iterable[str]:
    """What changes something is audited or mails; what takes secrets that users type hashes them."""
    if not _verb(policy):
        return
    hashes = any(
        field_rules(field).secret and not field_rules(field).unguessable
        for field in policy.descriptor.input_type.fields
    )
    reads_others = policy.access in (options_pb2.ACCESS_ADMIN, options_pb2.ACCESS_ADMIN_OR_SELF)
    limit = policy.options.rate_limit
    if not (hashes or changes(policy) or reads_others):
        return
    if not limit.requests:
        yield "hashes, mails or is audited, and has no rate_limit"
    elif policy.access in SIGNED_IN and limit.by != options_pb2.LIMITED_BY_USER:
        yield "is for the signed in, and its rate_limit counts by address"


def _verb(policy: Policy) -> str:
    rule = policy.descriptor.GetOptions().Extensions[annotations_pb2.http]
    return rule.WhichOneof("pattern") or ""


def test_nothing_is_left_open() -> None:
    """Of any method."""
    assert {policy.path: found for policy in POLICIES if (found := faults(policy))} == {}


def test_reasons_are_needed() -> None:
    """A reason for a method that is gone, or that asks for a proof by now, is one too many."""
    needed = {
        policy.descriptor.name
        for policy in POLICIES
        if policy.options.session_only and changes(policy) and not policy.max_auth_age_seconds
    }

    assert set(WITHOUT_PROOF) == needed


GOOD: dict[str, Any] = {
    "access": options_pb2.ACCESS_SIGNED_IN,
    "session_only": True,
    "max_auth_age": LITTLE,
    "rate_limit": options_pb2.RateLimit(
        requests=5, window=duration_pb2.Duration(seconds=60), by=options_pb2.LIMITED_BY_USER
    ),
}


@pytest.mark.parametrize(
    ("change", "field", "fault"),
    [
        ({}, "name", None),
        ({"session_only": False, "max_auth_age": None}, "name", "neither a scope"),
        ({"max_auth_age": None}, "name", "asks for no fresh proof"),
        ({"max_auth_age": None, "session_only": False, "scope": 2}, "name", None),
        ({"max_auth_age": None, "session_only": False, "scope": 2}, "role", "role decides who can get in"),
        ({"access": options_pb2.ACCESS_ADMIN, "max_auth_age": None}, "name", "admin's change"),
        ({"rate_limit": None}, "name", "no rate_limit"),
        (
            {"rate_limit": options_pb2.RateLimit(requests=5, window=duration_pb2.Duration(seconds=60))},
            "name",
            "counts by address",
        ),
        ({"access": options_pb2.ACCESS_PUBLIC, "rate_limit": None}, "name", "no rate_limit"),
    ],
)
def test_a_bad_method_is_refused(change: dict[str, Any], field: str, fault: str | None) -> None:
    """Each rule finds what breaks it, and nothing in a method that keeps them all."""
    options = {name: value for name, value in (GOOD | change).items() if value is not None}
    found = faults(_declared(field, options))

    if fault is None:
        assert found == []
    else:
        assert any(fault in each for each in found), found


@pytest.mark.parametrize(
    ("name", "form", "length_max"),
    [("email", Form.EMAIL, 254), ("full_name", Form.LINE, 255), ("password", None, 128)],
)
def test_one_rule_for_one_field(name: str, form: Form | None, length_max: int) -> None:
    """A field that several requests have is checked by the same rule, sent by a client or by a service."""
    other = [
        policy.path
        for policy in POLICIES
        if (field := policy.descriptor.input_type.fields_by_name.get(name)) is not None
        and (constraints(field).form, constraints(field).length_max) != (form, length_max)
    ]

    assert other == []


def _declared(field: str, options: dict[str, Any]) -> Policy:
    """Returns the policy of a method that a proto might add."""
    file = descriptor_pb2.FileDescriptorProto(name="added.proto", package="added", syntax="proto3")
    file.dependency.extend(["vestibule/api/v1/options.proto", "google/api/annotations.proto"])
    request = file.message_type.add(name="AddedRequest")
    request.field.add(name=field, number=1, type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING, label=1)
    method = file.service.add(name="AddedService").method.add(
        name="Add", input_type=".added.AddedRequest", output_type=".added.AddedRequest"
    )
    method.options.Extensions[options_pb2.policy].CopyFrom(options_pb2.MethodPolicy(**options))
    route = method.options.Extensions[annotations_pb2.http]
    route.post = "/api/added"
    pool = descriptor_pool.DescriptorPool()
    for known in (
        descriptor_pb2.DESCRIPTOR,
        duration_pb2.DESCRIPTOR,
        annotations_pb2.DESCRIPTOR.dependencies[0],
        annotations_pb2.DESCRIPTOR,
        options_pb2.DESCRIPTOR,
    ):
        pool.AddSerializedFile(known.serialized_pb)  # type: ignore[no-untyped-call]
    pool.Add(file)  # type: ignore[no-untyped-call]
    service = pool.FindServiceByName("added.AddedService")  # type: ignore[no-untyped-call]
    return method_policy(service.methods_by_name["Add"])
