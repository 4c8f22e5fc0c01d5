"""What units of work of user-service promise, in memory and on Postgres."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.postgres.pool import open_pool
from devstack.database import Database as DevelopmentDatabase
from devstack.postgres import Postgres
from user_service.adapters.postgres.unit_of_work import PostgresUnitOfWork
from user_service.adapters.postgres.users import PostgresUserReader
from user_service.domain.audit import Action, entry
from user_service.domain.errors import EmailTaken
from user_service.domain.listing import Cursor, Filter, Sort, cursor_after
from user_service.domain.tombstone import Tombstone
from user_service.domain.unit_of_work import UnitOfWork
from user_service.domain.user import Role, User
from user_service.domain.user_repository import UserReader
from user_service.wiring import OUTBOX

from tests.fakes.user_service import FakeUnitOfWork, FakeUserReader
from tests.user_service.builders import LONG_AGO, a_user, an_admin, caller_of
from tests.user_service.emptied_database import emptied

World = tuple[UnitOfWork, UserReader]


class UnitOfWorkContract:
    """The promises; subclasses bring the world."""

    async def test_insert_and_find(self, world: World) -> None:
        """What went in comes out, inside and outside of units."""
        units, reader = world
        ada = a_user("Ada@Example.org", last_login_at=LONG_AGO)

        async with units() as unit:
            assert await unit.users.insert(ada)
            assert ada == await unit.users.find(ada.id)

        assert ada == await reader.find(ada.id)
        async with units() as unit:
            assert ada == await unit.users.lock(ada.id)

    async def test_insert_twice(self, world: World) -> None:
        """The second time changes nothing, not even with other content."""
        units, reader = world
        ada = a_user()

        async with units() as unit:
            assert await unit.users.insert(ada)
            assert not await unit.users.insert(replace(ada, full_name="Another", email="x@example.org"))

        assert ada == await reader.find(ada.id)

    @pytest.mark.parametrize("address", ["ada@example.org", "ADA@EXAMPLE.ORG", "\uff41da@example.org"])
    async def test_address_is_one_persons(self, world: World, address: str) -> None:
        """Neither inserting nor saving gives it to a second one, however it is written."""
        units, reader = world
        ada, bob = a_user("Ada@example.org"), a_user()
        await _add(units, ada, bob)

        with pytest.raises(EmailTaken):
            async with units() as unit:
                await unit.users.insert(a_user(address))
        with pytest.raises(EmailTaken):
            async with units() as unit:
                await unit.users.save(replace(bob, email=address))

        assert bob == await reader.find(bob.id)

    async def test_own_address_in_another_spelling(self, world: World) -> None:
        """One's own address is not in one's way."""
        units, reader = world
        ada = a_user("Ada@example.org")
        await _add(units, ada)
        changed = replace(ada, email="ADA@example.org", version=2)

        async with units() as unit:
            await unit.users.save(changed)

        assert changed == await reader.find(ada.id)

    async def test_save_keeps_the_last_sign_in(self, world: World) -> None:
        """A sign-in noted since the person was read is not undone."""
        units, reader = world
        ada = a_user()
        await _add(units, ada)

        async with units() as unit:
            await unit.users.record_sign_in(ada.id, LONG_AGO)
            await unit.users.save(replace(ada, full_name="Ada King", version=2))

        found = await reader.find(ada.id)
        assert found is not None
        assert (found.full_name, found.last_login_at) == ("Ada King", LONG_AGO)

    async def test_sign_in_moves_forward(self, world: World) -> None:
        """It says whether it moved; for nobody it does not."""
        units, _ = world
        ada = a_user()
        await _add(units, ada)

        async with units() as unit:
            moved = [
                await unit.users.record_sign_in(user_id, LONG_AGO + timedelta(hours=hours))
                for user_id, hours in ((ada.id, 2), (ada.id, 1), (ada.id, 2), (ada.id, 3), (a_user().id, 1))
            ]

        assert moved == [True, False, False, True, False]

    async def test_last_active_admin(self, world: World) -> None:
        """Neither users nor inactive admins stand in for an admin."""
        units, _ = world
        ada, bob = an_admin(), an_admin()
        await _add(units, ada, a_user(), an_admin(is_active=False))

        async with units() as unit:
            assert await unit.users.is_last_active_admin(ada.id)
            await unit.users.insert(bob)
            assert not await unit.users.is_last_active_admin(ada.id)

    async def test_delete_frees_the_address(self, world: World) -> None:
        """Who is gone is in nobody's way."""
        units, reader = world
        ada = a_user("ada@example.org")
        await _add(units, ada)

        async with units() as unit:
            await unit.users.delete(ada.id)
            assert await unit.users.insert(a_user("ada@example.org"))

        assert await reader.find(ada.id) is None

    async def test_tombstones(self, world: World) -> None:
        """The erased are remembered by id alone."""
        units, _ = world
        tombstone = Tombstone(a_user().id, 3, LONG_AGO)

        async with units() as unit:
            await unit.tombstones.insert(tombstone)
        async with units() as unit:
            assert tombstone == await unit.tombstones.find(tombstone.user_id)
            assert await unit.tombstones.find(a_user().id) is None

    async def test_unit_that_raises_leaves_nothing(self, world: World) -> None:
        """All or nothing, events included."""
        units, reader = world
        ada = a_user()

        with pytest.raises(ZeroDivisionError):
            async with units() as unit:
                await unit.users.insert(ada)
                await unit.tombstones.insert(Tombstone(ada.id, 1, LONG_AGO))
                await unit.events.user_changed(ada.id)
                await unit.events.user_stale(ada.id)
                await unit.events.audit(entry(Action.UPDATE, caller_of(ada), ada.id))
                raise ZeroDivisionError

        assert await reader.find(ada.id) is None
        async with units() as unit:
            assert await unit.tombstones.find(ada.id) is None

    @pytest.mark.parametrize("sort", list(Sort))
    async def test_orders(self, world: World, sort: Sort) -> None:
        """Every order has its ties broken by id, and goes on behind any of its rows."""
        units, _ = world
        people = [
            a_user(
                f"{letter}{number}@example.org",
                full_name=["ada", "Bob", "Ämil", "ada"][number],
                created_at=LONG_AGO + timedelta(seconds=number // 2),
            )
            for number in range(4)
            for letter in "aB"
        ]
        await _add(units, *people)

        async with units() as unit:
            rows = await unit.users.page(Filter(), sort, after=None, offset=0, limit=100)
            assert [_key(user, sort) for user in rows] == sorted(
                (_key(user, sort) for user in people), reverse=sort is Sort.CREATED_AT_DESCENDING
            )
            for index, user in enumerate(rows):
                behind = cursor_after(user, sort, 1)
                assert rows[index + 1 : index + 4] == await unit.users.page(
                    Filter(), sort, after=behind, offset=0, limit=3
                )
            assert rows[2:5] == await unit.users.page(Filter(), sort, after=None, offset=2, limit=3)

    async def test_cursor_of_a_row_that_is_gone(self, world: World) -> None:
        """It still marks the place."""
        units, _ = world
        people = [a_user(created_at=LONG_AGO + timedelta(seconds=number)) for number in range(3)]
        await _add(units, *people)
        behind = Cursor(
            sort=Sort.CREATED_AT, key=LONG_AGO + timedelta(milliseconds=500), user_id=a_user().id, page=1
        )

        async with units() as unit:
            rows = await unit.users.page(Filter(), Sort.CREATED_AT, after=behind, offset=0, limit=10)

        assert people[1:] == rows

    @pytest.mark.parametrize(
        ("which", "found"),
        [
            (Filter(), {0, 1, 2, 3}),
            (Filter(role=Role.ADMIN), {1, 2}),
            (Filter(is_active=False), {2, 3}),
            (Filter(role=Role.ADMIN, is_active=True), {1}),
            (Filter(search="ADA"), {0}),
            (Filter(search="example.ORG"), {0, 1, 2, 3}),
            (Filter(search="a_b"), {1}),
            (Filter(search="%"), {2}),
            (Filter(search="\\"), {3}),
            (Filter(search="example.org", is_active=True), {0, 1}),
            (Filter(search=""), {0, 1, 2, 3}),
        ],
    )
    async def test_filters(self, world: World, which: Filter, found: set[int]) -> None:
        """Page and count agree on whom a filter lets through."""
        units, _ = world
        people = [
            a_user("0@example.org", full_name="Ada"),
            replace(an_admin("1@example.org"), full_name="a_b"),
            replace(an_admin("2@example.org", is_active=False), full_name="axb 100%"),
            a_user("3@example.org", full_name="back\\slash", is_active=False),
        ]
        await _add(units, *people)

        async with units() as unit:
            rows = await unit.users.page(which, Sort.EMAIL, after=None, offset=0, limit=10)
            count = await unit.users.count(which)

        assert [people[index] for index in sorted(found)] == rows
        assert len(found) == count

    async def test_the_count_follows_every_change(self, world: World) -> None:
        """Of role and activity, of leaving, and of what is rolled back."""
        units, _ = world
        ada, bob, eve = a_user(), a_user(), an_admin()
        await _add(units, ada, bob, eve)
        with pytest.raises(EmailTaken):
            async with units() as unit:
                await unit.users.insert(a_user("new@example.org"))
                await unit.users.insert(a_user("NEW@example.org"))
        async with units() as unit:
            await unit.users.save(replace(ada, role=Role.ADMIN, is_active=False))
            await unit.users.save(replace(eve, full_name="Eve II"))
            await unit.users.delete(bob.id)

        async with units() as unit:
            assert await unit.users.count(Filter()) == 2
            assert await unit.users.count(Filter(role=Role.USER)) == 0
            assert await unit.users.count(Filter(role=Role.ADMIN)) == 2
            assert await unit.users.count(Filter(is_active=False)) == 1
            assert await unit.users.count(Filter(role=Role.ADMIN, is_active=True)) == 1


class TestFakeUnitOfWork(UnitOfWorkContract):
    """In memory."""

    @pytest.fixture(name="world")
    def _world(self) -> World:
        units = FakeUnitOfWork()
        return units, FakeUserReader(units)


class TestPostgresUnitOfWork(UnitOfWorkContract):
    """On Postgres, with the role that the service has."""

    @pytest.fixture(name="world")
    async def _world(self, postgres: Postgres, migrated: DevelopmentDatabase) -> AsyncIterator[World]:
        url = (await emptied(postgres, migrated)).url("user_service")
        async with open_pool(url, application_name="test", max_size=5) as opened:
            yield PostgresUnitOfWork(opened, OUTBOX), PostgresUserReader(opened)


async def _add(units: UnitOfWork, *users: User) -> None:
    async with units() as unit:
        for user in users:
            assert await unit.users.insert(user)


def _key(user: User, sort: Sort) -> tuple[object, ...]:
    return (cursor_after(user, sort, 1).key, user.id)
