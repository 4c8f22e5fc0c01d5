"""What the credentials promise."""

from datetime import UTC, datetime

import pytest
from auth_service.domain.credential import Credential
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import LONG_AGO, a_registration, a_user, admitted, opened


async def test_a_transaction_is_whole_or_not_at_all(units: UnitsOfWork) -> None:
    """What raised has left nothing."""
    registration = a_registration()
    with pytest.raises(RuntimeError):
        async with units.transaction() as unit:
            await unit.credentials.add_pending(registration, "hash")
            await unit.outbox.append(RegistrationStarted(registration.user_id))
            raise RuntimeError

    async with units.statements() as unit:
        assert await unit.credentials.by_id(registration.user_id) is None


async def test_credentials_by_id_and_address(units: UnitsOfWork) -> None:
    """The address in its canonical form."""
    registration = a_registration()
    async with units.transaction() as unit:
        await unit.credentials.add_pending(registration, "hash")
        expected = Credential(
            user_id=registration.user_id,
            email="Ada@Example.com",
            password_hash="hash",
            role=Role.USER,
            is_pending=True,
        )

        assert await unit.credentials.by_id(registration.user_id) == expected
        assert await unit.credentials.lock(registration.user_id) == expected
        assert await unit.credentials.by_email("ada@example.com") == expected
        assert await unit.credentials.by_email("Ada@Example.com") is None
        assert await unit.credentials.by_id(uuid7()) is None


async def test_an_address_is_one_users(units: UnitsOfWork) -> None:
    """Adding and copying alike."""
    async with units.transaction() as unit:
        await admitted(unit, "a@example.com")
        bob = a_registration("b@example.com")
        await unit.credentials.add_pending(bob, "hash")

    with pytest.raises(EmailTaken):
        async with units.transaction() as unit:
            await unit.credentials.add_pending(a_registration("A@EXAMPLE.com"), "hash")
    with pytest.raises(EmailTaken):
        async with units.transaction() as unit:
            await unit.credentials.copy(a_user(bob, "A@example.com"), 1)


async def test_a_registration_waits_until_it_is_admitted_or_dropped(units: UnitsOfWork) -> None:
    """Then it is gone, and neither can be done again."""
    one, two = a_registration("a@example.com", Role.ADMIN), a_registration("b@example.com")
    async with units.transaction() as unit:
        credentials = unit.credentials
        await credentials.add_pending(one, "hash")
        await credentials.add_pending(two, "hash")
        assert await credentials.pending(one.user_id) == one

        assert await credentials.activate(one.user_id)
        assert await credentials.drop_pending(two.user_id)

        assert not await credentials.activate(one.user_id)
        assert not await credentials.drop_pending(one.user_id)
        assert not await credentials.activate(two.user_id)
        assert await credentials.pending(one.user_id) is None
        assert await credentials.by_id(two.user_id) is None


async def test_waiting_registrations_by_age(units: UnitsOfWork) -> None:
    """Those that waited before a time, and not more than asked for."""
    async with units.transaction() as unit:
        await unit.credentials.add_pending(a_registration("a@example.com"), "hash")
        await unit.credentials.add_pending(a_registration("b@example.com"), "hash")
        await admitted(unit, "c@example.com")

        later = datetime(2100, 1, 1, tzinfo=UTC)
        assert len(await unit.credentials.pending_before(later, 10)) == 2
        assert len(await unit.credentials.pending_before(later, 1)) == 1
        assert not await unit.credentials.pending_before(LONG_AGO, 10)


async def test_a_copy_is_equal_to_the_user(units: UnitsOfWork) -> None:
    """And admits who waited."""
    registration = a_registration()
    async with units.transaction() as unit:
        await unit.credentials.add_pending(registration, "hash")
        changed = a_user(registration, "New@example.com", Role.ADMIN, is_active=False)

        await unit.credentials.copy(changed, 7)

        assert await unit.credentials.by_email("new@example.com") == Credential(
            user_id=registration.user_id,
            email="New@example.com",
            password_hash="hash",
            role=Role.ADMIN,
            is_active=False,
            version=7,
        )


async def test_an_address_is_released_for_its_keeper(units: UnitsOfWork) -> None:
    """A registration is dropped, an outdated copy loses it, the keeper is left alone."""
    async with units.transaction() as unit:
        holder, waiting = await admitted(unit, "a@example.com"), a_registration("b@example.com")
        await unit.credentials.add_pending(waiting, "hash")
        keeper = uuid7()

        assert await unit.credentials.release_email("a@example.com", holder.user_id) is None
        assert await unit.credentials.release_email("b@example.com", keeper) is None
        assert await unit.credentials.release_email("a@example.com", keeper) == holder.user_id

        emptied_copy = await unit.credentials.by_id(holder.user_id)
        assert emptied_copy is not None
        assert (emptied_copy.email, emptied_copy.version) == (None, 0)
        assert await unit.credentials.by_id(waiting.user_id) is None


async def test_a_hash_is_replaced_if_it_is_the_one_that_was_verified(units: UnitsOfWork) -> None:
    """Not for one that has changed since."""
    async with units.transaction() as unit:
        ada = await admitted(unit)

        assert await unit.credentials.replace_hash(ada.user_id, "hash", "newer")
        assert not await unit.credentials.replace_hash(ada.user_id, "hash", "newest")


async def test_an_admin_is_admitted_and_active(units: UnitsOfWork) -> None:
    """Neither waiting nor deactivated ones count."""
    registration = a_registration(role=Role.ADMIN)
    async with units.transaction() as unit:
        await unit.credentials.add_pending(registration, "hash")
        assert not await unit.credentials.has_admin()
        await unit.credentials.activate(registration.user_id)
        assert await unit.credentials.has_admin()
        off = a_user(registration, "a@example.com", Role.ADMIN, is_active=False)
        await unit.credentials.copy(off, 1)
        assert not await unit.credentials.has_admin()


async def test_erasing_takes_the_sessions_along(units: UnitsOfWork) -> None:
    """No session is left without a user."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        locked = (await opened(unit, ada)).locked
        assert locked is not None

        await unit.credentials.erase(ada.user_id)

        assert await unit.credentials.by_id(ada.user_id) is None
        assert await unit.sessions.lock(locked.session.id) is None
