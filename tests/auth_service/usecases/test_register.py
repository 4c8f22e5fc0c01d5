"""Registering, the first half and the second."""

from datetime import timedelta

import pytest
from auth_service.domain.errors import EmailTaken, WeakPassword
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.user import Role
from auth_service.usecases.bootstrap_admin import Bootstrap
from chassis.errors import NotFound, Unavailable
from chassis.ids import uuid7

from tests.auth_service.world import EMAIL, NAME, PASSWORD, World, a_client, a_service


async def test_a_person_is_admitted_and_may_sign_in(world: World) -> None:
    """Both halves in one call; the copy of the name goes as soon as it is not needed."""
    user_id = await world.user()

    (row,) = await world.database.rows("credentials")
    assert not row.is_pending
    assert row.full_name is None
    assert await world.database.events() == [RegistrationStarted(user_id)]
    assert await world.database.actions() == [("auth.register", "success")]


@pytest.mark.parametrize("email", [EMAIL, EMAIL.upper()])
async def test_an_address_registers_once(world: World, email: str) -> None:
    """Compared by the canonical form."""
    await world.user()

    with pytest.raises(EmailTaken):
        await world.user(email)
    assert (await world.database.actions())[-1] == ("auth.register", "refused")


async def test_a_weak_password_is_refused_before_anything_is_kept(world: World) -> None:
    """The error says why, on the field."""
    with pytest.raises(WeakPassword) as caught:
        await world.auth.register(email=EMAIL, password="hunter22", full_name=NAME, caller=a_client())

    assert [error.field for error in caught.value.field_errors] == ["password"]
    assert not await world.database.rows("credentials")


async def test_while_user_service_is_away_the_registration_waits(world: World) -> None:
    """503, and the event will finish it."""
    world.directory.away = True
    with pytest.raises(Unavailable):
        await world.user()
    user_id = (await world.database.rows("credentials"))[0].user_id
    registration = await world.accounts.get_registration(user_id=user_id)
    assert (registration.email, registration.full_name, registration.role) == (EMAIL, NAME, Role.USER)

    world.directory.away = False
    await world.directory.admit(user_id)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    await world.sign_in()
    with pytest.raises(NotFound):
        await world.accounts.get_registration(user_id=user_id)


async def test_repeating_the_registration_resumes_it(world: World) -> None:
    """With the right password it is the same user; with another the address is taken."""
    world.directory.away = True
    with pytest.raises(Unavailable):
        await world.user()
    world.directory.away = False
    waiting = (await world.database.rows("credentials"))[0].user_id

    with pytest.raises(EmailTaken):
        await world.auth.register(email=EMAIL, password="another password", full_name=NAME, caller=a_client())
    assert await world.user() == waiting


async def test_an_address_that_user_service_has_given_away_is_taken(world: World) -> None:
    """The pending credential is dropped: nothing half made is left."""
    world.directory.put(uuid7(), EMAIL)

    with pytest.raises(EmailTaken):
        await world.user()

    assert not await world.database.rows("credentials")
    assert (await world.database.actions())[-1] == ("auth.register", "refused")


async def test_refusing_drops_only_what_waits(world: World) -> None:
    """An admitted user's credential stays, and refusing twice is refusing once."""
    user_id = await world.user()

    await world.accounts.refuse_registration(user_id=user_id, caller=a_service())
    await world.accounts.refuse_registration(user_id=uuid7(), caller=a_service())

    await world.sign_in()


async def test_what_neither_call_nor_event_finished_is_finished_later(world: World) -> None:
    """A registration that waits for long is taken up by a job."""
    world.directory.away = True
    with pytest.raises(Unavailable):
        await world.user()
    world.directory.away = False
    assert await world.finish_stale_registrations() == 0

    world.clock.advance(timedelta(minutes=11))
    assert await world.finish_stale_registrations() == 1

    await world.sign_in()


async def test_the_first_admin_is_made_once(world: World) -> None:
    """Through the same registration; any password is the operator's choice."""
    job = world.bootstrap_admin

    assert await job(email=EMAIL, password="weak", user_id=uuid7()) is Bootstrap.CREATED
    assert await job(email="other@example.com", password=PASSWORD, user_id=uuid7()) is Bootstrap.NOT_NEEDED

    assert (await world.sign_in(password="weak")).role is Role.ADMIN
    assert ("auth.bootstrap_admin", "success") in await world.database.actions()


async def test_the_first_admin_waits_for_user_service(world: World) -> None:
    """The job is tried again, and resumes what it has begun."""
    world.directory.away = True
    job, user_id = world.bootstrap_admin, uuid7()
    with pytest.raises(Unavailable):
        await job(email=EMAIL, password=PASSWORD, user_id=user_id)
    world.directory.away = False

    assert await job(email=EMAIL, password=PASSWORD, user_id=user_id) is Bootstrap.CREATED
    assert len(await world.database.rows("credentials")) == 1


async def test_an_ordinary_persons_address_makes_no_admin(world: World) -> None:
    """No existing user is promoted by a setting."""
    await world.user()

    outcome = await world.bootstrap_admin(email=EMAIL, password=PASSWORD, user_id=uuid7())

    assert outcome is Bootstrap.ADDRESS_TAKEN
