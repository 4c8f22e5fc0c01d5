"""Every call that changes something, or that costs more than a read, has a limit of its own."""

from collections.abc import Iterator

from chassis.grpc.policy import Policy, service_policies
from gateway.api import descriptors
from google.api import annotations_pb2
from vestibule.api.v1 import options_pb2

AUDITED_READS = frozenset({"GetUser", "ListUsers", "ListAuditEvents", "VerifyAuditEvents", "ExportMe"})
"""Reads that leave an entry in the audit, or walk all of it."""


def _routes() -> Iterator[Policy]:
    for service in descriptors.load(()).services:
        for policy in service_policies(service):
            route = policy.descriptor.GetOptions().Extensions[annotations_pb2.http]
            if route.WhichOneof("pattern") is not None:
                yield policy


def _is_read(policy: Policy) -> bool:
    route = policy.descriptor.GetOptions().Extensions[annotations_pb2.http]
    return bool(route.get) and policy.descriptor.name not in AUDITED_READS


def test_what_changes_something_is_limited() -> None:
    """What hashes, mails, rates a password or is audited costs more than it costs the caller."""
    unlimited = {
        each.path for each in _routes() if not _is_read(each) and not each.options.rate_limit.requests
    }

    assert unlimited == set()


def test_limits_count_for_whom_the_method_knows() -> None:
    """By address, one signed-in user would use up the limit of all who share it."""
    odd = {
        each.path
        for each in _routes()
        if each.options.rate_limit.requests
        and (each.options.rate_limit.by == options_pb2.LIMITED_BY_USER)
        == (each.access == options_pb2.ACCESS_PUBLIC)
    }

    assert odd == set()
