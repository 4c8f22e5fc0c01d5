"""Audit entries about documents: by id, never by title, text or question."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditClient:
    """The client behind an entry: stored apart from it, and erased with the user.

    Attributes:
        ip: The client's address.
        user_agent: The client's User-Agent.
        request_id: The request's id if the client chose it; empty if the gateway made it.
    """

    ip: str
    user_agent: str
    request_id: str


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
    request_id = _neutral(caller.request_id)
    chosen = "" if request_id else caller.request_id
    client = AuditClient(ip=caller.client_address, user_agent=caller.user_agent, request_id=chosen)
    return AuditEntry(
        action=action,
        actor_id=caller.user_id,
        subject_id=next(iter(owners)) if len(owners) == 1 else None,
        outcome=outcome,
        request_id=request_id,
        details={**named, **(details or {})},
        client=client if caller.client_address or caller.user_agent or chosen else None,
    )


def _neutral(request_id: str) -> str:
    try:
        return request_id if str(UUID(request_id)) == request_id else ""
    except ValueError:
        return ""
