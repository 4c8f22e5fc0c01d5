"""Policies are read from the protos, and a method without one is refused."""

from typing import Any

import pytest
from chassis.grpc.policy import PolicyMissingError, method_policy, policies_by_path, service_policies
from vestibule.api.v1 import options_pb2
from vestibule.users.v1 import directory_service_pb2, user_service_pb2

from tests.chassis.grpc.declared import declare_method

USERS = user_service_pb2.DESCRIPTOR.services_by_name["UserService"]
DIRECTORY = directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"]


def test_policy_of_a_read() -> None:
    """What the proto says is what the policy says."""
    policy = method_policy(USERS.methods_by_name["GetUser"])

    assert policy.path == "/vestibule.users.v1.UserService/GetUser"
    assert policy.access == options_pb2.ACCESS_ADMIN_OR_SELF
    assert (policy.read_only, policy.repeatable, policy.key_scopes) == (True, True, frozenset({"read"}))
    assert policy.deadline_seconds is None
    assert policy.options.access == policy.access


def test_policy_of_writes() -> None:
    """A write that may be repeated is still a write."""
    update = method_policy(USERS.methods_by_name["UpdateMe"])
    delete = method_policy(USERS.methods_by_name["DeleteMe"])

    assert (update.read_only, update.repeatable, update.key_scopes) == (False, True, frozenset({"write"}))
    assert (delete.read_only, delete.repeatable) == (False, False)


def test_scope_of_a_key() -> None:
    """Reading, changing, and `admin` besides for admins' calls; no key does what asks for a session."""
    scopes = {
        name: method_policy(USERS.methods_by_name[name]).key_scopes
        for name in ("GetMe", "ExportMe", "UpdateMe", "ListUsers", "UpdateUser", "DeleteUser", "DeleteMe")
    }

    assert scopes == {
        "GetMe": {"read"},
        "ExportMe": None,
        "UpdateMe": {"write"},
        "ListUsers": {"read", "admin"},
        "UpdateUser": {"write", "admin"},
        "DeleteUser": None,
        "DeleteMe": None,
    }


def test_policy_of_a_service_method() -> None:
    """The services that may call are named."""
    policy = policies_by_path([DIRECTORY])["/vestibule.users.v1.DirectoryService/AdmitUser"]

    assert frozenset({"auth-service"}) == policy.services


def test_deadline_in_seconds() -> None:
    """A duration becomes seconds, fractions included."""
    policy = method_policy(
        declare_method(access=options_pb2.ACCESS_PUBLIC, deadline={"seconds": 1, "nanos": 500_000_000})
    )

    assert policy.deadline_seconds == 1.5


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"deadline": {"seconds": 1}},
        {"access": options_pb2.ACCESS_SERVICE},
        {"access": options_pb2.ACCESS_PUBLIC, "services": ["gateway"]},
        {"access": options_pb2.ACCESS_ADMIN_OR_SELF},
    ],
)
def test_policies_that_cannot_be_kept(policy: dict[str, Any]) -> None:
    """Nothing is served by a guess: not without access, nor by rules that contradict each other."""
    method = declare_method(**policy)

    with pytest.raises(PolicyMissingError, match=r"Shop\.Buy"):
        service_policies(method.containing_service)


@pytest.mark.parametrize(
    ("bounds", "streams", "refused"),
    [
        ({"per_person": 2, "lifetime": {"seconds": 3600}}, True, ""),
        ({"lifetime": {"seconds": 3601}}, True, "3600 s at most"),
        ({"message_bytes": 1048577}, True, "1048576 at most"),
        ({"per_person": -1}, True, "not negative"),
        ({"per_person": 2}, False, "for methods that stream"),
    ],
)
def test_bounds_of_streams(bounds: dict[str, Any], streams: bool, refused: str) -> None:
    """A stream does not outlive its connection; a method with one answer has no use for bounds."""
    method = declare_method(
        server_streaming=streams,
        access=options_pb2.ACCESS_PUBLIC,
        stream=options_pb2.StreamBounds(**bounds),
    )
    if refused:
        with pytest.raises(PolicyMissingError, match=refused):
            method_policy(method)
    else:
        assert method_policy(method).options.stream.per_person == 2
