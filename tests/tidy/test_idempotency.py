"""`Idempotency-Key` works with every POST that changes something, whichever service answers it."""

from typing import Any

import pytest
from chassis.grpc.policy import Policy, PolicyMissingError, service_policies
from chassis.idempotency.interceptor import IdempotencyInterceptor
from chassis.idempotency.run_once import RunOnce
from gateway.api.descriptors import load

from tests.tidy import tree

POLICIES = [policy for service in load().services for policy in service_policies(service)]


def test_every_post_that_changes_something_takes_part() -> None:
    """Its service stores responses: it has the table, the interceptor, and deletes what is over."""
    alone = {
        f"{policy.path}: {policy.audience} stores no responses (see chassis/idempotency)"
        for policy in POLICIES
        if policy.takes_idempotency_key and not _stores_responses(policy.audience)
    }

    assert set() == alone


def test_what_only_reads_or_streams_does_not() -> None:
    """A search is a POST for its privacy alone, and an answer that streams is not stored."""
    taking = {policy.descriptor.name for policy in POLICIES if policy.takes_idempotency_key}

    assert {"Register", "Logout", "CreateWebhook", "ResendWebhookDelivery"} <= taking
    assert taking.isdisjoint({"Search", "Answer", "UpdateWebhook", "ListWebhooks", "DeleteMe"})


def test_secrets_of_users_need_a_hasher() -> None:
    """A method that takes passwords is refused at start-up where nothing hashes them."""
    without: Any = None
    interceptor = IdempotencyInterceptor(RunOnce(without, without))
    assert interceptor.around(_named("CreateWebhook"), without) is not None
    with pytest.raises(PolicyMissingError, match="Login takes secrets"):
        interceptor.around(_named("Login"), without)


def _named(name: str) -> Policy:
    (policy,) = (policy for policy in POLICIES if policy.descriptor.name == name)
    return policy


def _stores_responses(service: str) -> bool:
    sources = [source for source in tree.product() if source.path.startswith(f"{service}/src/")]
    imported = {name.rpartition(".")[2] for source in sources for name in tree.imports(source)}
    made = any(".attempts (" in source.text for source in sources if "/migrations/" in source.path)
    pruned = {"purge_responses", "RESPONSES_KEPT"} & imported
    return made and bool(pruned) and "IdempotencyInterceptor" in imported
