"""Who sees what: the one place where it is decided.

A document carries access labels, and a caller holds some by the claims of the token. The caller sees a
document if they have a label in common. The index filters by the same labels as Postgres.
"""

from enum import StrEnum
from uuid import UUID

from chassis.identity.caller import Caller
from chassis.identity.role import Role


class Visibility(StrEnum):
    """Who sees a document besides its owner."""

    PRIVATE = "private"
    ROLE_USER = "role:user"
    ROLE_ADMIN = "role:admin"
    EVERYONE = "everyone"


def labels_of_document(owner_id: UUID, visibility: Visibility) -> tuple[str, ...]:
    """Returns the labels of a document; holding one of them suffices to see it."""
    own = f"user:{owner_id}"
    return (own,) if visibility is Visibility.PRIVATE else (own, visibility.value)


def labels_of_caller(caller: Caller) -> frozenset[str]:
    """Returns the labels that a caller holds.

    Raises:
        Unauthenticated: the caller is not a user.
    """
    labels = {f"user:{caller.require_user_id()}", Visibility.EVERYONE.value}
    # An API key acts as an admin only with that scope, as for every method.
    if caller.role is Role.USER or has_admin_rights(caller):
        labels.add(f"role:{caller.role}")
    return frozenset(labels)


def has_admin_rights(caller: Caller) -> bool:
    """Whether the caller is an admin; an API key needs the scope `admin` besides."""
    return caller.is_admin and (caller.scopes is None or "admin" in caller.scopes)
