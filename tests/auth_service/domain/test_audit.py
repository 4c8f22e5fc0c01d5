"""The canonical form of audit entries."""

from datetime import UTC, datetime
from uuid import UUID

from auth_service.domain.audit import GENESIS, AuditEntry, canonical_form, chain_hash

ENTRY = AuditEntry(
    id=UUID("0192f1c4-0000-7000-8000-000000000001"),
    occurred_at=datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC),
    action="auth.login",
    outcome="success",
    actor_id=UUID("0192f1c4-0000-7000-8000-00000000000A"),
    ip="192.0.2.1",
    user_agent='Mozilla "5" \u00e9',
    request_id="r",
    details={"b": "2", "a": "1"},
)


def test_the_form_is_frozen() -> None:
    """A chain written today must verify in six years: the form is part of the data."""
    assert canonical_form(ENTRY).decode() == (
        '{"action":"auth.login","actor_id":"0192f1c4-0000-7000-8000-00000000000a","details":{"a":"1","b":"2"},'
        '"form":1,"id":"0192f1c4-0000-7000-8000-000000000001","ip":"192.0.2.1",'
        '"occurred_at":"2026-11-23T10:00:00.123456Z","outcome":"success","request_id":"r","subject_id":null,'
        '"user_agent":"Mozilla \\"5\\" \u00e9"}'
    )


def test_the_hash_covers_place_and_predecessor() -> None:
    """The same entry elsewhere, or after another, hashes to something else."""
    here = chain_hash(GENESIS, 1, ENTRY)

    assert len({here, chain_hash(GENESIS, 2, ENTRY), chain_hash(here, 1, ENTRY)}) == 3
