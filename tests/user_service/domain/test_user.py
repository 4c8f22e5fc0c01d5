"""Changing a person."""

from datetime import timedelta

import pytest
from user_service.domain.user import Changes, Role, change, changed_fields

from tests.user_service.builders import LONG_AGO, a_user

NOW = LONG_AGO + timedelta(days=1)


def test_change() -> None:
    """What is asked for changes, with the version and the time; the rest stays."""
    ada = a_user(version=4)

    changed = change(ada, Changes(full_name="Ada King", role=Role.ADMIN), NOW)

    assert (
        changed.full_name,
        changed.role,
        changed.version,
        changed.updated_at,
    ) == ("Ada King", Role.ADMIN, 5, NOW)
    assert (ada.id, ada.email, True, ada.created_at) == (
        changed.id,
        changed.email,
        changed.email_verified,
        changed.created_at,
    )


def test_new_address_is_unverified() -> None:
    """Also when only its spelling is new: mail goes to the address as typed."""
    ada = a_user("ada@example.org")

    assert not change(ada, Changes(email="Ada@example.org"), NOW).email_verified


@pytest.mark.parametrize(
    "changes", [Changes(), Changes(role=Role.USER, is_active=True, full_name="Grace Hopper")]
)
def test_no_change(changes: Changes) -> None:
    """Asking for what is so already gives the same person, untouched."""
    ada = a_user()

    assert ada is change(ada, changes, NOW)
    assert changed_fields(ada, changes) == ()


def test_time_does_not_go_back() -> None:
    """A clock that is behind does not put a change before the one before it."""
    ada = a_user(created_at=NOW)

    assert change(ada, Changes(full_name="Ada King"), LONG_AGO).updated_at == NOW


def test_name_concerns_no_credential() -> None:
    """auth-service copies everything else that can change."""
    assert not Changes(full_name="Ada King").concern_credential
    assert all(
        changes.concern_credential
        for changes in (Changes(email="a@b.example"), Changes(role=Role.USER), Changes(is_active=False))
    )
