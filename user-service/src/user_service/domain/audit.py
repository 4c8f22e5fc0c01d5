"""Audit entries about users.

An entry names users by id and changes by field, never an e-mail address, a name or a search
term, so that erasing a user leaves nothing behind in the audit trail.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.audit_client import AuditClient, client_of, neutral_request_id
from chassis.identity.caller import Caller

from user_service.domain.user import User


class Action(StrEnum):
    """What was done or refused."""

    ADMIT = "users.admit"
    IMPORT = "users.import"
    UPDATE = "users.update"
    EMAIL_CHANGE_REQUESTED = "users.email_change_requested"
    EMAIL_CHANGE_CANCELLED = "users.email_change_cancelled"
    EMAIL_CHANGED = "users.email_changed"
    EMAIL_RESTORED = "users.email_restored"
    EMAIL_VERIFIED = "users.email_verified"
    ROLE_CHANGED = "users.role_changed"
    DEACTIVATED = "users.deactivated"
    REACTIVATED = "users.reactivated"
    DELETE = "users.delete"
    READ = "users.read"
    LIST = "users.list"
    EXPORT = "users.export"
    WEBHOOK_CREATED = "users.webhook_created"
    WEBHOOK_UPDATED = "users.webhook_updated"
    WEBHOOK_SECRET_ROTATED = "users.webhook_secret_rotated"  # noqa: S105 - not a secret
    WEBHOOK_DELETED = "users.webhook_deleted"
    WEBHOOK_DISABLED = "users.webhook_disabled"
    WEBHOOK_RESENT = "users.webhook_resent"
    EVENT_REFUSED = "events.refused"
    EVENT_DEAD_LETTER = "events.dead_letter"


class Outcome(StrEnum):
    """How it ended."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry of the audit trail.

    Attributes:
        actor: The caller.
        actor_id: The user who acted; not always the caller, since a registration is the user's own act.
        subject_id: The user concerned; None when it is not a single one.
        details: Further facts about the action.
    """

    action: Action
    actor: Caller
    actor_id: UUID | None
    subject_id: UUID | None = None
    outcome: Outcome = Outcome.SUCCESS
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def request_id(self) -> str:
        """The request's id if it is a UUID, which identifies no user; empty if it is other text."""
        return neutral_request_id(self.actor.request_id)

    @property
    def client(self) -> AuditClient | None:
        """The client, or None when nothing is known of it that would have to be erased."""
        return client_of(self.actor)


class AuditClientRepository(Protocol):
    """The stored clients behind audit events, which auth-service fetches."""

    async def find(self, event_id: UUID) -> AuditClient | None:
        """Returns the client behind an audit event; None when erased or expired."""
        ...


def entry(
    action: Action,
    caller: Caller,
    subject_id: UUID | None = None,
    details: Mapping[str, str] | None = None,
    outcome: Outcome = Outcome.SUCCESS,
) -> AuditEntry:
    """Returns the entry for an action of the caller."""
    return AuditEntry(
        action=action,
        actor=caller,
        actor_id=caller.user_id,
        subject_id=subject_id,
        outcome=outcome,
        details=details or {},
    )


def entries_of_change(caller: Caller, before: User, after: User, fields: tuple[str, ...]) -> list[AuditEntry]:
    """Returns the entries for a change: one for the whole, and one for each critical field."""
    entries = [entry(Action.UPDATE, caller, before.id, {"fields": ",".join(fields)})]
    if "email" in fields:
        entries.append(entry(Action.EMAIL_CHANGED, caller, before.id))
    elif "pending_email" in fields:
        requested = after.pending_email is not None
        action = Action.EMAIL_CHANGE_REQUESTED if requested else Action.EMAIL_CHANGE_CANCELLED
        entries.append(entry(action, caller, before.id))
    elif "email_verified" in fields:
        entries.append(entry(Action.EMAIL_VERIFIED, caller, before.id))
    if "role" in fields:
        entries.append(entry(Action.ROLE_CHANGED, caller, before.id, {"from": before.role, "to": after.role}))
    if "is_active" in fields:
        action = Action.REACTIVATED if after.is_active else Action.DEACTIVATED
        entries.append(entry(action, caller, before.id))
    return entries
