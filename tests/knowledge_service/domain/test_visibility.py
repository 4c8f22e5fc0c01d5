"""Who sees what, by the claims of the token."""

from datetime import UTC, datetime

import pytest
from chassis.errors import Forbidden, NotFound, Unauthenticated
from chassis.identity.caller import ANONYMOUS, Caller
from chassis.identity.role import Role
from chassis.ids import uuid7
from knowledge_service.domain.document import (
    Content,
    Document,
    new_document,
    require_deletable,
    require_owner,
    require_visibility,
)
from knowledge_service.domain.visibility import Visibility, has_admin_rights, labels_of_caller

from tests.knowledge_service.knowledge import a_user

OWNER = a_user()
USER = a_user()
ADMIN = a_user(Role.ADMIN)


def a_key(role: Role, *scopes: str) -> Caller:
    return Caller(user_id=uuid7(), role=role, scopes=frozenset(scopes))


def shared(visibility: Visibility) -> Document:
    content = Content(title="Notes", text="text")
    return new_document(uuid7(), OWNER, content, visibility, datetime.now(UTC))


@pytest.mark.parametrize(
    ("visibility", "seen_by"),
    [
        (Visibility.PRIVATE, []),
        (Visibility.ROLE_USER, [USER]),
        (Visibility.ROLE_ADMIN, [ADMIN]),
        (Visibility.EVERYONE, [USER, ADMIN]),
    ],
)
def test_documents_are_seen_by_owner_and_by_whom_they_are_shared_with(
    visibility: Visibility, seen_by: list[Caller]
) -> None:
    document = shared(visibility)

    assert document.is_visible_to(OWNER)
    assert [each for each in (USER, ADMIN) if document.is_visible_to(each)] == seen_by


def test_keys_see_what_admins_see_only_with_that_scope() -> None:
    document = shared(Visibility.ROLE_ADMIN)

    assert document.is_visible_to(a_key(Role.ADMIN, "read", "admin"))
    assert not document.is_visible_to(a_key(Role.ADMIN, "read", "write"))
    assert not has_admin_rights(a_key(Role.ADMIN, "read", "write"))
    assert not has_admin_rights(a_key(Role.USER, "admin"))


def test_strangers_hold_no_labels() -> None:
    with pytest.raises(Unauthenticated):
        labels_of_caller(ANONYMOUS)


def test_only_admins_share_with_everyone() -> None:
    require_visibility(ADMIN, Visibility.EVERYONE)
    require_visibility(USER, Visibility.ROLE_ADMIN)
    for caller in (USER, a_key(Role.ADMIN, "read", "write")):
        with pytest.raises(Forbidden):
            require_visibility(caller, Visibility.EVERYONE)


def test_changing_another_users_document_is_refused_by_what_the_caller_sees() -> None:
    require_owner(OWNER, shared(Visibility.PRIVATE))
    with pytest.raises(NotFound):
        require_owner(ADMIN, shared(Visibility.PRIVATE))
    with pytest.raises(Forbidden):
        require_owner(USER, shared(Visibility.ROLE_USER))


def test_admins_delete_any_document() -> None:
    require_deletable(OWNER, shared(Visibility.PRIVATE))
    require_deletable(ADMIN, shared(Visibility.PRIVATE))
    with pytest.raises(NotFound):
        require_deletable(USER, shared(Visibility.PRIVATE))
    with pytest.raises(Forbidden):
        require_deletable(USER, shared(Visibility.EVERYONE))
