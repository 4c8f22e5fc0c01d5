"""The audit chain: what an entry says, how it is written down, and how its hash follows.

Canonical form, version 1: the JSON object of the fields below, keys sorted, no white space,
UTF-8 with no escapes beyond JSON's own; ids in lower case; absent ids null; the time in RFC
3339 UTC with six digits of a second and `Z`. With `||` for joining bytes:

    hash(n) = SHA-256( hash(n - 1) || n as 8 bytes, big-endian || canonical form of entry n )

and hash(0) is 32 zero bytes. Postgres computes it where the entry is inserted, under the
chain's lock; `chain_hash` computes the same to verify.

An entry whose client stands beside the chain (`audit_client`) has empty `ip` and `user_agent` there, a
`request_id` only when it is a UUID, and the commitment among its `details`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit_client import COMMITMENT, chained_request_id, commitment, new_salt

FORM = 1
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that happened. It names users by id only.

    Attributes:
        id: UUIDv7; an entry with a known id is written once.
        occurred_at: When it happened, UTC.
        actor_id: Who did it; None when unknown.
        subject_id: To whom; None when unknown.
        action: What, such as `auth.login`.
        outcome: `success`, `refused` or `failed`.
        details: What else belongs to the action; never a user's data, never a secret.
        commitment: Commits to the client beside the chain; empty where the chain holds it, or it is none.
        salt: What the commitment was made with; empty once the client is erased.
    """

    occurred_at: datetime
    action: str
    outcome: str
    id: UUID = field(default_factory=uuid7)
    actor_id: UUID | None = None
    subject_id: UUID | None = None
    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    commitment: str = field(default="", compare=False)
    salt: bytes = field(default=b"", compare=False)

    def committed(self) -> "AuditEntry":
        """Returns the entry with its client beside the chain; itself when there is nothing to keep."""
        own_request_id = "" if chained_request_id(self.request_id) else self.request_id
        if self.commitment or not (self.ip or self.user_agent or own_request_id):
            return self
        salt = new_salt()
        promise = commitment(salt, self.ip, self.user_agent, own_request_id)
        return replace(self, commitment=promise, salt=salt)

    @property
    def is_client_true(self) -> bool:
        """Whether what stands beside the chain is what the entry commits to, or is erased as a whole."""
        if not self.commitment:
            return not self.salt
        own_request_id = "" if chained_request_id(self.request_id) else self.request_id
        if not self.salt:
            return not (self.ip or self.user_agent or own_request_id)
        return self.commitment == commitment(self.salt, self.ip, self.user_agent, own_request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedEntry:
    """An entry in its place in the chain."""

    sequence: int
    hash: bytes
    entry: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An entry after which a chain or an export begins; without arguments the beginning of all."""

    sequence: int = 0
    hash: bytes = GENESIS


BEGINNING = Anchor()
"""Before the first entry that ever was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries to list; what is None does not restrict."""

    actor_id: UUID | None = None
    subject_id: UUID | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def canonical_form(entry: AuditEntry) -> bytes:
    """Returns the bytes that the entry's hash covers."""
    beside = bool(entry.commitment)
    fields = {
        "form": FORM,
        "id": str(entry.id),
        "occurred_at": entry.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor_id": None if entry.actor_id is None else str(entry.actor_id),
        "subject_id": None if entry.subject_id is None else str(entry.subject_id),
        "action": entry.action,
        "outcome": entry.outcome,
        "ip": "" if beside else entry.ip,
        "user_agent": "" if beside else entry.user_agent,
        "request_id": chained_request_id(entry.request_id) if beside else entry.request_id,
        "details": chained_details(entry),
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def chained_details(entry: AuditEntry) -> dict[str, str]:
    """Returns the entry's details as the chain has them, with the commitment."""
    return dict(entry.details) | ({COMMITMENT: entry.commitment} if entry.commitment else {})


def chain_hash(previous: bytes, sequence: int, entry: AuditEntry) -> bytes:
    """Returns the hash of an entry at its place."""
    return hashlib.sha256(previous + sequence.to_bytes(8, "big") + canonical_form(entry)).digest()


def audited(
    caller: Caller,
    at: datetime,
    action: str,
    outcome: str = "success",
    *,
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
    **details: str,
) -> AuditEntry:
    """Returns the entry for something that a caller did.

    Args:
        caller: Who called; the actor, unless `actor_id` names the user the call proved.
        at: When.
        action: What.
        outcome: `success`, `refused` or `failed`.
        subject_id: To whom; the actor when None.
        actor_id: Who, where the call itself establishes it.
        details: What else belongs to the action.
    """
    actor = actor_id or caller.user_id
    return AuditEntry(
        occurred_at=at,
        action=action,
        outcome=outcome,
        actor_id=actor,
        subject_id=subject_id or actor,
        ip=caller.client_address,
        user_agent=caller.user_agent,
        request_id=caller.request_id,
        details=details,
    )


class AuditTrail(Protocol):
    """The hash chain. Appending comes last in a transaction: it holds the chain's lock."""

    async def append(self, entry: AuditEntry) -> None:
        """Adds an entry at the head of the chain; does nothing when its id is there already."""
        ...

    async def page(
        self, wanted: AuditFilter, *, limit: int, offset: int = 0, below: int | None = None
    ) -> Sequence[ChainedEntry]:
        """Returns entries, the newest first; with `below`, those with a smaller sequence."""
        ...

    async def count(self, wanted: AuditFilter) -> int:
        """Returns how many entries the filter lets through."""
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries that follow a sequence, the oldest first."""
        ...

    async def prune(self, through: int) -> int:
        """Removes every entry up to a signed head's, and the heads before it; says how many entries.

        Raises:
            Forbidden: the role of the serving process may not.
        """
        ...
