"""Audit entries about documents: by id, never by title, text or question."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.audit_client import AuditClient, client_of, neutral_request_id
from chassis.identity.caller import Caller


class Action(StrEnum):
    """What was done."""

    READ = "knowledge.read"
    LIST = "knowledge.list"
    SEARCH = "knowledge.search"
    SHARE = "knowledge.share"
    DELETE = "knowledge.delete"
    ERASE = "knowledge.erase"
    EVENT_REFUSED = "events.refused"
    EVENT_DEAD_LETTER = "events.dead_letter"


class Outcome(StrEnum):
    """How it ended."""

    SUCCESS = "success"
    FAILED = "failed"


class AuditClientRepository(Protocol):
    """The stored clients behind audit events, which auth-service fetches."""

    async def find(self, event_id: UUID) -> AuditClient | None:
        """Returns the client behind an audit event; None when erased or expired."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Deletes every client of a user."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry of the audit trail.

    Attributes:
        actor_id: The user who acted; None when it was a service.
        subject_id: The user concerned; None when it is not a single one.
        request_id: The request's id if it is a UUID, which identifies no user; empty if it is other text.
        details: Further facts about the action.
        client: The client; None when nothing is known of it that would have to be erased.
    """

    action: Action
    actor_id: UUID | None
    subject_id: UUID | None = None
    outcome: Outcome = Outcome.SUCCESS
    request_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    client: AuditClient | None = None


def entry(
    action: Action,
    caller: Caller,
    *,
    owners: frozenset[UUID] = frozenset(),
    documents: tuple[UUID, ...] = (),
    details: Mapping[str, str] | None = None,
    outcome: Outcome = Outcome.SUCCESS,
) -> AuditEntry:
    """Returns the entry for an action of the caller.

    Args:
        action: What was done.
        caller: Who did it.
        owners: Whose documents it concerned.
        documents: Which documents it concerned.
        details: Further facts.
        outcome: How it ended.
    """
    named = {"documents": " ".join(map(str, documents))} if documents else {}
    return AuditEntry(
        action=action,
        actor_id=caller.user_id,
        subject_id=next(iter(owners)) if len(owners) == 1 else None,
        outcome=outcome,
        request_id=neutral_request_id(caller.request_id),
        details={**named, **(details or {})},
        client=client_of(caller),
    )
