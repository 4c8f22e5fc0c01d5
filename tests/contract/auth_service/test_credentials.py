"""What the credentials promise, in memory and on Postgres."""

from datetime import UTC, datetime

import pytest
from auth_service.domain.credential import Credential
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import RegistrationStarted
from auth_service.domain.unit_of_work import Database
from auth_service.domain.user import Role
from chassis.ids import uuid7

from tests.contract.auth_service.builders import LONG_AGO, a_person, a_registration, admitted, opened


async def test_a_transaction_is_whole_or_not_at_all(database: Database) -> None:
    """What raised has left nothing."""
    registration = a_registration()
    with pytest.raises(RuntimeError):
        async with database.transaction() as stores:
            await stores.credentials.add_pending(registration, "hash")
            await stores.outbox.append(RegistrationStarted(registration.user_id))
            raise RuntimeError

    async with database.statements() as stores:
        assert await stores.credentials.by_id(registration.user_id) is None


async def test_credentials_by_id_and_address(database: Database) -> None:
    """The address in its canonical form."""
    registration = a_registration()
    async with database.transaction() as stores:
        await stores.credentials.add_pending(registration, "hash")
        expected = Credential(
            user_id=registration.user_id,
            email="Ada@Example.com",
            password_hash="hash",
            role=Role.USER,
            is_pending=True,
        )

        assert await stores.credentials.by_id(registration.user_id) == expected
        assert await stores.credentials.lock(registration.user_id) == expected
        assert await stores.credentials.by_email("ada@example.com") == expected
        assert await stores.credentials.by_email("Ada@Example.com") is None
        assert await stores.credentials.by_id(uuid7()) is None


async def test_an_address_is_one_persons(database: Database) -> None:
    """Adding and copying alike."""
    async with database.transaction() as stores:
        await admitted(stores, "a@example.com")
        bob = a_registration("b@example.com")
        await stores.credentials.add_pending(bob, "hash")

    with pytest.raises(EmailTaken):
        async with database.transaction() as stores:
            await stores.credentials.add_pending(a_registration("A@EXAMPLE.com"), "hash")
    with pytest.raises(EmailTaken):
        async with database.transaction() as stores:
            await stores.credentials.copy(a_person(bob, "A@example.com"), 1)


async def test_a_registration_waits_until_it_is_admitted_or_dropped(database: Database) -> None:
    """Then it is gone, and neither can be done again."""
    one, two = a_registration("a@example.com", Role.ADMIN), a_registration("b@example.com")
    async with database.transaction() as stores:
        credentials = stores.credentials
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


async def test_waiting_registrations_by_age(database: Database) -> None:
    """Those that waited before a time, and not more than asked for."""
    async with database.transaction() as stores:
        await stores.credentials.add_pending(a_registration("a@example.com"), "hash")
        await stores.credentials.add_pending(a_registration("b@example.com"), "hash")
        await admitted(stores, "c@example.com")

        later = datetime(2100, 1, 1, tzinfo=UTC)
        assert len(await stores.credentials.pending_before(later, 10)) == 2
        assert len(await stores.credentials.pending_before(later, 1)) == 1
        assert not await stores.credentials.pending_before(LONG_AGO, 10)


async def test_a_copy_is_equal_to_the_person(database: Database) -> None:
    """And admits who waited."""
    registration = a_registration()
    async with database.transaction() as stores:
        await stores.credentials.add_pending(registration, "hash")
        changed = a_person(registration, "New@example.com", Role.ADMIN, is_active=False)

        await stores.credentials.copy(changed, 7)

        assert await stores.credentials.by_email("new@example.com") == Credential(
            user_id=registration.user_id,
            email="New@example.com",
            password_hash="hash",
            role=Role.ADMIN,
            is_active=False,
            version=7,
        )


async def test_an_address_is_released_for_its_keeper(database: Database) -> None:
    """A registration is dropped, an outdated copy loses it, the keeper is left alone."""
    async with database.transaction() as stores:
        holder, waiting = await admitted(stores, "a@example.com"), a_registration("b@example.com")
        await stores.credentials.add_pending(waiting, "hash")
        keeper = uuid7()

        assert await stores.credentials.release_email("a@example.com", holder.user_id) is None
        assert await stores.credentials.release_email("b@example.com", keeper) is None
        assert await stores.credentials.release_email("a@example.com", keeper) == holder.user_id

        emptied_copy = await stores.credentials.by_id(holder.user_id)
        assert emptied_copy is not None
        assert (emptied_copy.email, emptied_copy.version) == (None, 0)
        assert await stores.credentials.by_id(waiting.user_id) is None


async def test_a_hash_is_exchanged_for_the_one_that_was_judged(database: Database) -> None:
    """Not for one that has changed since."""
    async with database.transaction() as stores:
        ada = await admitted(stores)

        assert await stores.credentials.replace_hash(ada.user_id, "hash", "newer")
        assert not await stores.credentials.replace_hash(ada.user_id, "hash", "newest")


async def test_an_admin_is_admitted_and_active(database: Database) -> None:
    """Neither waiting nor deactivated ones count."""
    registration = a_registration(role=Role.ADMIN)
    async with database.transaction() as stores:
        await stores.credentials.add_pending(registration, "hash")
        assert not await stores.credentials.has_admin()
        await stores.credentials.activate(registration.user_id)
        assert await stores.credentials.has_admin()
        off = a_person(registration, "a@example.com", Role.ADMIN, is_active=False)
        await stores.credentials.copy(off, 1)
        assert not await stores.credentials.has_admin()


async def test_erasing_takes_the_sessions_along(database: Database) -> None:
    """Nothing hangs on nobody."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        standing = (await opened(stores, ada)).standing
        assert standing is not None

        await stores.credentials.erase(ada.user_id)

        assert await stores.credentials.by_id(ada.user_id) is None
        assert await stores.sessions.lock(standing.session.id) is None
