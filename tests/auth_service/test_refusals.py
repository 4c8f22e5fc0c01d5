"""Anonymous refusals leave nothing in the audit; those of one account are limited."""

from datetime import UTC, datetime

from auth_service.adapters.postgres.audit import PER_MINUTE_MAX, RefusalBounds
from auth_service.domain.audit import audited
from chassis.identity.caller import Caller
from chassis.ids import uuid7


def test_refusals_of_one_account_are_limited() -> None:
    """By kind and account; the rest is counted."""
    bounds, ada, bob = RefusalBounds(), uuid7(), uuid7()
    now = datetime.now(UTC)
    of_ada = audited(Caller(), now, "auth.login_refused", "refused", subject_id=ada, reason="WRONG")
    others = [
        audited(Caller(), now, "auth.login_refused", "refused", subject_id=bob, reason="WRONG"),
        audited(Caller(), now, "auth.login_refused", "refused", subject_id=ada, reason="TOO_MANY"),
        audited(Caller(), now, "auth.login", subject_id=ada),
    ]

    assert [bounds.admits(of_ada) for _ in range(PER_MINUTE_MAX + 2)] == [True] * PER_MINUTE_MAX + [False] * 2
    assert all(bounds.admits(entry) for entry in others)
