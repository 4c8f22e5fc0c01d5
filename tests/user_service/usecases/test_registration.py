"""Completing registrations that an event announces."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from chassis.errors import Unavailable
from chassis.identity.caller import ANONYMOUS
from chassis.identity.role import Role
from user_service.domain.accounts import Registration
from user_service.usecases.registration import AdmitUser, CompleteRegistration

from tests.user_service.builders import a_user
from tests.user_service.usecases.conftest import Ports

ADA = Registration("Ada@example.org", "Ada Lovelace", Role.USER)


def _complete(ports: Ports) -> CompleteRegistration:
    admit_user = AdmitUser(ports.units, ports.accounts, ports.clock)
    return CompleteRegistration(admit_user, ports.accounts)


async def test_admitted(ports: Ports) -> None:
    """The user is active and unverified; the audit entry names the user as the actor."""
    user_id = a_user().id
    ports.accounts.waiting[user_id] = ADA

    for _ in range(3):
        await _complete(ports)(caller=ANONYMOUS, user_id=user_id)

    async with ports.units.statements() as unit:
        user = await unit.users.find(user_id)
    assert user is not None
    assert (ADA.email, ADA.full_name, Role.USER) == (user.email, user.full_name, user.role)
    assert (user.is_active, user.email_verified, user.version, user.last_login_at) == (True, False, 1, None)
    assert [user_id] == await ports.changed()
    (audited,) = await ports.entries()
    assert ("users.admit", str(user_id), str(user_id)) == (
        audited.action,
        audited.actor_id,
        audited.subject_id,
    )


async def test_an_imported_user_is_admitted_as_before(ports: Ports) -> None:
    """When the import died in between: with the date and the activity of the other system."""
    user_id, created_at = a_user().id, datetime(2019, 3, 4, 5, 6, 7, tzinfo=UTC)
    ports.accounts.waiting[user_id] = replace(ADA, created_at=created_at, is_active=False)

    await _complete(ports)(caller=ANONYMOUS, user_id=user_id)

    async with ports.units.statements() as unit:
        user = await unit.users.find(user_id)
    assert user is not None
    assert (user.created_at, user.is_active) == (created_at, False)


async def test_refused_when_the_address_is_taken(ports: Ports) -> None:
    """auth-service drops the registration."""
    user_id = a_user().id
    await ports.add(a_user("ada@EXAMPLE.org"))
    ports.accounts.waiting[user_id] = ADA

    await _complete(ports)(caller=ANONYMOUS, user_id=user_id)

    assert [user_id] == ports.accounts.refused
    async with ports.units.statements() as unit:
        assert await unit.users.find(user_id) is None


async def test_late_event_is_ignored(ports: Ports) -> None:
    """The registration may have been admitted, refused or erased before."""
    await _complete(ports)(caller=ANONYMOUS, user_id=a_user().id)

    assert ports.accounts.refused == []


async def test_fails_while_auth_service_is_down(ports: Ports) -> None:
    """So the event is retried."""
    ports.accounts.down = True

    with pytest.raises(Unavailable):
        await _complete(ports)(caller=ANONYMOUS, user_id=a_user().id)
