"""The canonical form of audit entries."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from auth_service.domain.audit import GENESIS, AuditEntry, ChainedEntry, canonical_form, chain_hash
from auth_service.domain.audit_client import commitment
from auth_service.domain.audit_head import ChainWalk

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


SALT = bytes(range(32))
PROMISE = "6febcac3a5bc3912cb4c10716e3ff25182502be4d4960fea98204597e4c82eae"
BESIDE = replace(ENTRY, commitment=commitment(SALT, ENTRY.ip, ENTRY.user_agent, ENTRY.request_id), salt=SALT)


def test_the_commitment_is_frozen() -> None:
    """What entries commit to must be provable in six years as well."""
    assert BESIDE.commitment == PROMISE
    assert canonical_form(BESIDE).decode() == (
        '{"action":"auth.login","actor_id":"0192f1c4-0000-7000-8000-00000000000a",'
        f'"details":{{"a":"1","b":"2","client_sha256":"{PROMISE}"}},'
        '"form":1,"id":"0192f1c4-0000-7000-8000-000000000001","ip":"",'
        '"occurred_at":"2026-11-23T10:00:00.123456Z","outcome":"success","request_id":"","subject_id":null,'
        '"user_agent":""}'
    )


def test_the_chain_holds_nothing_of_the_client() -> None:
    """The form is the same once the client is erased; two entries of one client have nothing in common."""
    entry = replace(ENTRY, request_id="0192f1c4-0000-7000-8000-000000000002").committed()
    erased = replace(entry, ip="", user_agent="", salt=b"")

    assert canonical_form(entry) == canonical_form(erased)
    assert "192.0.2.1" not in canonical_form(entry).decode()
    assert "0192f1c4-0000-7000-8000-000000000002" in canonical_form(entry).decode()
    assert entry.commitment != replace(entry, commitment="", salt=b"").committed().commitment


@pytest.mark.parametrize(
    "change",
    [
        {"ip": "192.0.2.2"},
        {"user_agent": ""},
        {"request_id": "s"},
        {"salt": bytes(32)},
        {"salt": b""},
        {"salt": b"", "ip": ""},
        {"salt": b"", "ip": "", "user_agent": ""},
        {"commitment": "00" * 32},
    ],
    ids=str,
)
def test_a_client_that_was_changed_is_named(change: dict[str, Any]) -> None:
    """Altering what is stored beside the chain, or removing a part of it, is detected."""
    hashed = chain_hash(GENESIS, 1, BESIDE)
    walk = ChainWalk()
    walk.step(ChainedEntry(sequence=1, hash=hashed, entry=replace(BESIDE, **change)))

    assert walk.first_broken == 1
    assert str(walk.problem).startswith("entry 1 was altered")


def test_an_erased_client_breaks_nothing() -> None:
    """It is erased as a whole, with its salt."""
    erased = replace(BESIDE, ip="", user_agent="", request_id="", salt=b"")
    walk = ChainWalk()
    walk.step(ChainedEntry(sequence=1, hash=chain_hash(GENESIS, 1, BESIDE), entry=erased))

    assert walk.problem is None
