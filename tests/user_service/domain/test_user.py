"""Changing a user."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.errors import Invalid
from chassis.identity.role import Role
from user_service.domain.user import Changes, change, changed_fields, verify

from tests.user_service.builders import LONG_AGO, a_user

NOW = LONG_AGO + timedelta(days=1)


def test_change() -> None:
    """The requested fields, the version and the time change; other fields stay."""
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


def test_new_address_is_pending() -> None:
    """Even if only its spelling differs, since mail is sent to the address as typed."""
    ada = a_user("ada@example.org")

    changed = change(ada, Changes(email="Ada@example.org"), NOW)

    assert (changed.email, changed.pending_email) == ("ada@example.org", "Ada@example.org")
    assert changed.email_verified
    assert changed_fields(ada, changed) == ("pending_email",)


@pytest.mark.parametrize("changes", [Changes(email="ada@example.org"), Changes(is_active=False)])
def test_a_pending_address_is_cancelled(changes: Changes) -> None:
    """By requesting the current one, or deactivating the user."""
    ada = replace(a_user("ada@example.org"), pending_email="new@example.org")

    changed = change(ada, changes, NOW)

    assert changed.pending_email is None
    assert verify(changed, "new@example.org", NOW) is changed


def test_an_admin_vouches() -> None:
    """For the sent address, or otherwise the current one; `false` vouches for nothing."""
    ada = replace(a_user("ada@example.org", email_verified=False), pending_email="new@example.org")

    other = change(ada, Changes(email="other@example.org", email_verified=True), NOW)
    present = change(ada, Changes(email_verified=True), NOW)

    assert (other.email, other.email_verified, other.pending_email) == ("other@example.org", True, None)
    assert (present.email, present.email_verified) == ("ada@example.org", True)
    assert present.pending_email == "new@example.org"
    assert change(ada, Changes(email_verified=False), NOW) is ada


def test_a_proven_address_stays_proven() -> None:
    """It is refused, not ignored; a new address starts unverified anyway."""
    ada = a_user("ada@example.org", email_verified=True)

    for email in (None, "ada@example.org"):
        with pytest.raises(Invalid) as refused:
            change(ada, Changes(email=email, email_verified=False), NOW)
        assert [error.field for error in refused.value.field_errors] == ["email_verified"]
    pending = change(ada, Changes(email="new@example.org", email_verified=False), NOW)
    assert (pending.email, pending.email_verified, pending.pending_email) == (
        "ada@example.org",
        True,
        "new@example.org",
    )


def test_the_proven_address_becomes_the_address() -> None:
    """The current or the pending one; another address, or a deactivated user, changes nothing."""
    ada = replace(a_user("ada@example.org", email_verified=False), pending_email="new@example.org")

    present, new = verify(ada, "ada@example.org", NOW), verify(ada, "new@example.org", NOW)

    assert (present.email_verified, present.pending_email) == (True, "new@example.org")
    assert (new.email, new.email_verified, new.pending_email) == ("new@example.org", True, None)
    assert verify(new, "new@example.org", NOW) is new
    assert verify(ada, "other@example.org", NOW) is ada
    idle = replace(ada, is_active=False)
    assert verify(idle, "new@example.org", NOW) is idle


@pytest.mark.parametrize(
    "changes", [Changes(), Changes(role=Role.USER, is_active=True, full_name="Grace Hopper")]
)
def test_no_change(changes: Changes) -> None:
    """A change to equal values returns the same user."""
    ada = a_user()

    assert ada is change(ada, changes, NOW)
    assert changed_fields(ada, ada) == ()


def test_time_does_not_go_back() -> None:
    """A slow clock does not date a change before the previous one."""
    ada = a_user(created_at=NOW)

    assert change(ada, Changes(full_name="Ada King"), LONG_AGO).updated_at == NOW


def test_name_concerns_no_credential() -> None:
    """auth-service copies every other field that can change."""
    assert not Changes(full_name="Ada King").concern_credential
    assert all(
        changes.concern_credential
        for changes in (
            Changes(email="a@b.example"),
            Changes(email_verified=True),
            Changes(role=Role.USER),
            Changes(is_active=False),
        )
    )
