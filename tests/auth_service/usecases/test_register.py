"""Registering, the first half and the second."""

from datetime import timedelta
from uuid import UUID

import pytest
from auth_service.domain.errors import EmailTaken, WeakPassword
from auth_service.domain.events import RegistrationStarted
from auth_service.usecases.bootstrap_admin import Bootstrap
from auth_service.usecases.registration import FAILURES_MAX
from chassis.errors import NotFound, ServiceError, Unavailable
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.local_service import EMAIL, NAME, PASSWORD, LocalService, a_client, a_service
from tests.components import changed


async def test_a_user_is_admitted_and_may_sign_in(service: LocalService) -> None:
    """Both halves in one call; the copy of the name goes as soon as it is not needed."""
    user_id = await service.user()

    (row,) = await service.database.rows("credentials")
    assert not row.is_pending
    assert row.full_name is None
    assert await service.database.events() == [RegistrationStarted(user_id)]
    assert await service.database.actions() == [("auth.register", "success")]


@pytest.mark.parametrize("email", [EMAIL, EMAIL.upper()])
async def test_an_address_registers_once(service: LocalService, email: str) -> None:
    """Compared by the canonical form."""
    await service.user()

    with pytest.raises(EmailTaken):
        await service.user(email)
    assert (await service.database.actions())[-1] == ("auth.register", "refused")


async def test_a_weak_password_is_refused_before_anything_is_kept(service: LocalService) -> None:
    """The error says why, on the field."""
    with pytest.raises(WeakPassword) as caught:
        await service.auth.register(email=EMAIL, password="hunter22", full_name=NAME, caller=a_client())

    assert [error.field for error in caught.value.field_errors] == ["password"]
    assert not await service.database.rows("credentials")


async def test_while_user_service_is_away_the_registration_waits(service: LocalService) -> None:
    """503, and the event will finish it."""
    service.directory.away = True
    with pytest.raises(Unavailable):
        await service.user()
    user_id = (await service.database.rows("credentials"))[0].user_id
    registration = await service.accounts.get_registration(user_id=user_id)
    assert (registration.email, registration.full_name, registration.role) == (EMAIL, NAME, Role.USER)

    service.directory.away = False
    await service.directory.admit(user_id)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    await service.sign_in()
    with pytest.raises(NotFound):
        await service.accounts.get_registration(user_id=user_id)


async def test_repeating_the_registration_resumes_it(service: LocalService) -> None:
    """With the right password it is the same user; with another the address is taken."""
    service.directory.away = True
    with pytest.raises(Unavailable):
        await service.user()
    service.directory.away = False
    waiting = (await service.database.rows("credentials"))[0].user_id

    with pytest.raises(EmailTaken):
        await service.auth.register(
            email=EMAIL, password="another password", full_name=NAME, caller=a_client()
        )
    assert await service.user() == waiting


async def test_an_address_that_user_service_has_given_away_is_taken(service: LocalService) -> None:
    """The pending credential is dropped: nothing half made is left."""
    service.directory.put(uuid7(), EMAIL)

    with pytest.raises(EmailTaken):
        await service.user()

    assert not await service.database.rows("credentials")
    assert (await service.database.actions())[-1] == ("auth.register", "refused")


async def test_refusing_drops_only_what_waits(service: LocalService) -> None:
    """An admitted user's credential stays, and refusing twice is refusing once."""
    user_id = await service.user()

    await service.accounts.refuse_registration(user_id=user_id, caller=a_service())
    await service.accounts.refuse_registration(user_id=uuid7(), caller=a_service())

    await service.sign_in()


async def test_what_neither_call_nor_event_finished_is_finished_later(service: LocalService) -> None:
    """A registration that waits for long is taken up by a job."""
    service.directory.away = True
    with pytest.raises(Unavailable):
        await service.user()
    service.directory.away = False
    assert await service.finish_stale_registrations() == 0

    service.clock.advance(timedelta(minutes=11))
    assert await service.finish_stale_registrations() == 1

    await service.sign_in()


async def test_one_that_cannot_be_finished_keeps_no_other_waiting(service: LocalService) -> None:
    """The oldest would be the first of each run."""
    service.directory.away = True
    for email in ("first@example.com", "second@example.com"):
        with pytest.raises(Unavailable):
            await service.user(email)
    service.directory.away = False
    service.clock.advance(timedelta(minutes=11))
    first, finish = (await service.database.rows("credentials"))[0].user_id, service.ports.finish_registration

    async def finish_but_first(*, user_id: UUID, caller: Caller) -> object:
        if user_id == first:
            raise Unavailable
        return await finish(user_id=user_id, caller=caller)

    run = changed(service.finish_stale_registrations, finish=finish_but_first)
    with pytest.raises(Unavailable):
        await run()

    await service.sign_in("second@example.com")


@pytest.mark.parametrize(
    ("error", "tried"), [(NotFound(), 7), (Unavailable(), FAILURES_MAX)], ids=["a refusal", "unreachable"]
)
async def test_many_that_cannot_be_finished(service: LocalService, error: ServiceError, tried: int) -> None:
    """Keep no other waiting; but a service that is unreachable is not asked about each of them."""
    service.directory.away = True
    for number in range(7):
        with pytest.raises(Unavailable):
            await service.user(f"user-{number}@example.com")
    service.clock.advance(timedelta(minutes=11))
    attempts: list[UUID] = []

    async def refuse(*, user_id: UUID, caller: Caller) -> object:
        attempts.append(user_id)
        raise error

    with pytest.raises(type(error)):
        await changed(service.finish_stale_registrations, finish=refuse)()

    assert len(attempts) == tried


async def test_the_first_admin_is_made_once(service: LocalService) -> None:
    """Through the same registration; any password is the operator's choice."""
    job = service.bootstrap_admin

    assert await job(email=EMAIL, password="weak", user_id=uuid7()) is Bootstrap.CREATED
    assert await job(email="other@example.com", password=PASSWORD, user_id=uuid7()) is Bootstrap.NOT_NEEDED

    assert (await service.sign_in(password="weak")).role is Role.ADMIN
    assert ("auth.bootstrap_admin", "success") in await service.database.actions()


async def test_the_first_admin_waits_for_user_service(service: LocalService) -> None:
    """The job is tried again, and resumes what it has begun."""
    service.directory.away = True
    job, user_id = service.bootstrap_admin, uuid7()
    with pytest.raises(Unavailable):
        await job(email=EMAIL, password=PASSWORD, user_id=user_id)
    service.directory.away = False

    assert await job(email=EMAIL, password=PASSWORD, user_id=user_id) is Bootstrap.CREATED
    assert len(await service.database.rows("credentials")) == 1


async def test_an_ordinary_users_address_makes_no_admin(service: LocalService) -> None:
    """No existing user is promoted by a setting."""
    await service.user()

    outcome = await service.bootstrap_admin(email=EMAIL, password=PASSWORD, user_id=uuid7())

    assert outcome is Bootstrap.ADDRESS_TAKEN
