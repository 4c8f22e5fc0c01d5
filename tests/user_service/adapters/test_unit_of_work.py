"""Units of work on Postgres, with the production role of the service."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.identity.role import Role
from chassis.postgres.pool import Pool
from user_service.domain.audit import Action, entry
from user_service.domain.errors import EmailTaken
from user_service.domain.listing import Filter, Position, Sort, position
from user_service.domain.tombstone import Tombstone
from user_service.domain.user import User

from tests.user_service.builders import LONG_AGO, a_user, an_admin, caller_of
from tests.user_service.conftest import Stored


@pytest.fixture(name="stored")
def _stored(users_pool: Pool) -> Stored:
    return Stored(users_pool)


async def test_insert_and_find(stored: Stored) -> None:
    """A user is read as inserted, in the same transaction and afterwards."""
    ada = a_user("Ada@Example.org", last_login_at=LONG_AGO)

    async with stored.units.transaction() as unit:
        assert await unit.users.insert(ada)
        assert ada == await unit.users.find(ada.id)

    assert ada == await stored.find(ada)
    async with stored.units.transaction() as unit:
        assert ada == await unit.users.lock(ada.id)


async def test_insert_twice(stored: Stored) -> None:
    """The second insert changes nothing, even with other content."""
    ada = a_user()

    async with stored.units.transaction() as unit:
        assert await unit.users.insert(ada)
        assert not await unit.users.insert(replace(ada, full_name="Another", email="x@example.org"))

    assert ada == await stored.find(ada)


@pytest.mark.parametrize("address", ["ada@example.org", "ADA@EXAMPLE.ORG", "\uff41da@example.org"])
async def test_addresses_are_unique(stored: Stored, address: str) -> None:
    """In every spelling, when inserting and when saving."""
    ada, bob = a_user("Ada@example.org"), a_user()
    await stored.add(ada, bob)

    with pytest.raises(EmailTaken):
        async with stored.units.transaction() as unit:
            await unit.users.insert(a_user(address))
    with pytest.raises(EmailTaken):
        async with stored.units.transaction() as unit:
            await unit.users.save(replace(bob, email=address))

    assert bob == await stored.find(bob)


async def test_own_address_in_another_spelling(stored: Stored) -> None:
    """A user can change the spelling of the address."""
    ada = a_user("Ada@example.org")
    await stored.add(ada)
    changed = replace(ada, email="ADA@example.org", version=2)

    async with stored.units.transaction() as unit:
        await unit.users.save(changed)

    assert changed == await stored.find(ada)


async def test_save_keeps_the_last_sign_in(stored: Stored) -> None:
    """A sign-in recorded since the user was read is kept."""
    ada = a_user()
    await stored.add(ada)

    async with stored.units.transaction() as unit:
        await unit.users.record_sign_in(ada.id, LONG_AGO)
        await unit.users.save(replace(ada, full_name="Ada King", version=2))

    found = await stored.find(ada)
    assert found is not None
    assert (found.full_name, found.last_login_at) == ("Ada King", LONG_AGO)


async def test_sign_in_moves_forward(stored: Stored) -> None:
    """It returns whether it moved; for an unknown user it did not."""
    ada = a_user()
    await stored.add(ada)

    async with stored.units.transaction() as unit:
        moved = [
            await unit.users.record_sign_in(user_id, LONG_AGO + timedelta(hours=hours))
            for user_id, hours in ((ada.id, 2), (ada.id, 1), (ada.id, 2), (ada.id, 3), (a_user().id, 1))
        ]

    assert moved == [True, False, False, True, False]


async def test_last_active_admin(stored: Stored) -> None:
    """Users and inactive admins do not count."""
    ada, bob = an_admin(), an_admin()
    await stored.add(ada, a_user(), an_admin(is_active=False))

    async with stored.units.transaction() as unit:
        assert await unit.users.is_last_active_admin(ada.id)
        await unit.users.insert(bob)
        assert not await unit.users.is_last_active_admin(ada.id)


async def test_delete_frees_the_address(stored: Stored) -> None:
    """Another user can take it."""
    ada = a_user("ada@example.org")
    await stored.add(ada)

    async with stored.units.transaction() as unit:
        await unit.users.delete(ada.id)
        assert await unit.users.insert(a_user("ada@example.org"))

    assert await stored.find(ada) is None


async def test_tombstones(stored: Stored) -> None:
    """They are found by id."""
    tombstone = Tombstone(a_user().id, 3, LONG_AGO)

    async with stored.units.transaction() as unit:
        await unit.tombstones.insert(tombstone)
    async with stored.units.transaction() as unit:
        assert tombstone == await unit.tombstones.find(tombstone.user_id)
        assert await unit.tombstones.find(a_user().id) is None


async def test_rollback(stored: Stored) -> None:
    """Everything is rolled back, events included."""
    ada = a_user()

    with pytest.raises(ZeroDivisionError):
        async with stored.units.transaction() as unit:
            await unit.users.insert(ada)
            await unit.tombstones.insert(Tombstone(ada.id, 1, LONG_AGO))
            await unit.outbox.user_changed(ada.id)
            await unit.outbox.drop_cached_users([ada.id])
            await unit.outbox.audit(entry(Action.UPDATE, caller_of(ada), ada.id))
            raise ZeroDivisionError

    assert await stored.find(ada) is None
    async with stored.units.transaction() as unit:
        assert await unit.tombstones.find(ada.id) is None


@pytest.mark.parametrize("sort", list(Sort))
async def test_orders(stored: Stored, sort: Sort) -> None:
    """Ties are broken by id; a page can start after any row."""
    users = [
        a_user(
            f"{letter}{number}@example.org",
            full_name=["ada", "Bob", "Ämil", "ada"][number],
            created_at=LONG_AGO + timedelta(seconds=number // 2),
        )
        for number in range(4)
        for letter in "aB"
    ]
    await stored.add(*users)

    async with stored.units.transaction() as unit:
        rows = await unit.users.page(Filter(), sort, after=None, offset=0, limit=100)
        assert [_key(user, sort) for user in rows] == sorted(
            (_key(user, sort) for user in users), reverse=sort is Sort.CREATED_AT_DESCENDING
        )
        for index, user in enumerate(rows):
            after = position(user, sort)
            assert rows[index + 1 : index + 4] == await unit.users.page(
                Filter(), sort, after=after, offset=0, limit=3
            )
        assert rows[2:5] == await unit.users.page(Filter(), sort, after=None, offset=2, limit=3)


async def test_position_of_an_erased_row(stored: Stored) -> None:
    """It still marks its position."""
    users = [a_user(created_at=LONG_AGO + timedelta(seconds=number)) for number in range(3)]
    await stored.add(*users)
    after = Position(LONG_AGO + timedelta(milliseconds=500), a_user().id)

    async with stored.units.transaction() as unit:
        rows = await unit.users.page(Filter(), Sort.CREATED_AT, after=after, offset=0, limit=10)

    assert users[1:] == rows


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
async def test_filters(stored: Stored, which: Filter, found: set[int]) -> None:
    """Page and count agree."""
    users = [
        a_user("0@example.org", full_name="Ada"),
        replace(an_admin("1@example.org"), full_name="a_b"),
        replace(an_admin("2@example.org", is_active=False), full_name="axb 100%"),
        a_user("3@example.org", full_name="back\\slash", is_active=False),
    ]
    await stored.add(*users)

    async with stored.units.transaction() as unit:
        rows = await unit.users.page(which, Sort.EMAIL, after=None, offset=0, limit=10)
        count = await unit.users.count(which)

    assert [users[index] for index in sorted(found)] == rows
    assert len(found) == count


async def test_the_count_is_up_to_date(stored: Stored) -> None:
    """After changes of role and activity, erasures and rollbacks."""
    ada, bob, eve = a_user(), a_user(), an_admin()
    await stored.add(ada, bob, eve)
    with pytest.raises(EmailTaken):
        async with stored.units.transaction() as unit:
            await unit.users.insert(a_user("new@example.org"))
            await unit.users.insert(a_user("NEW@example.org"))
    async with stored.units.transaction() as unit:
        await unit.users.save(replace(ada, role=Role.ADMIN, is_active=False))
        await unit.users.save(replace(eve, full_name="Eve II"))
        await unit.users.delete(bob.id)

    async with stored.units.transaction() as unit:
        assert await unit.users.count(Filter()) == 2
        assert await unit.users.count(Filter(role=Role.USER)) == 0
        assert await unit.users.count(Filter(role=Role.ADMIN)) == 2
        assert await unit.users.count(Filter(is_active=False)) == 1
        assert await unit.users.count(Filter(role=Role.ADMIN, is_active=True)) == 1


def _key(user: User, sort: Sort) -> tuple[object, ...]:
    return (position(user, sort).key, user.id)
