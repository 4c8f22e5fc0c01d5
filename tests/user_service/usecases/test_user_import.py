"""Creating users of another system, many at a time."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from user_service.domain.tombstone import Tombstone
from user_service.domain.user import User
from user_service.domain.user_import import ImportResult
from user_service.usecases.user_import import ImportUsers

from tests.user_service.builders import a_user, an_admin
from tests.user_service.usecases.conftest import Ports

AUTH = Caller(service="auth-service")


async def _found(ports: Ports, *users: User) -> list[User | None]:
    async with ports.units.statements() as unit:
        return [await unit.users.find(user.id) for user in users]


async def test_users_are_created_once_and_announced_by_no_event(ports: Ports) -> None:
    """A repeat changes nothing; the audit has one entry for all, and one for each admin."""
    users = [a_user(), a_user(), an_admin()]
    run = ImportUsers(ports.units)

    assert await run(caller=AUTH, users=users, check_only=True) == [ImportResult.CREATED] * 3
    assert await _found(ports, *users) == [None] * 3
    assert await run(caller=AUTH, users=users) == [ImportResult.CREATED] * 3
    assert await run(caller=AUTH, users=users) == [ImportResult.EXISTS] * 3

    assert await _found(ports, *users) == users
    assert await ports.changed() == []
    assert [(entry.action, entry.subject_id, dict(entry.details)) for entry in await ports.entries()] == [
        ("users.import", "", {"users": "3", "admins": "1"}),
        ("users.import", str(users[2].id), {"role": "admin"}),
    ]
    assert users[2].role is Role.ADMIN


async def test_what_cannot_be_created_is_named_and_the_rest_is_created(ports: Ports) -> None:
    """Another user's address, a reserved one, and a user who was erased."""
    ada, bob, erased = a_user("ada@example.org"), a_user("bob@example.org"), a_user()
    await ports.add(ada)
    await ports.add(bob)
    async with ports.units.transaction() as unit:
        await unit.email_changes.reserve("former@example.org", bob.id, timedelta(days=8))
        await unit.tombstones.insert(Tombstone(erased.id, 2, erased.created_at))
    wanted = [a_user("ADA@example.org"), a_user("former@example.org"), erased, bob, a_user()]

    results = await ImportUsers(ports.units)(caller=AUTH, users=wanted)

    assert results == [
        ImportResult.EMAIL_TAKEN,
        ImportResult.EMAIL_TAKEN,
        ImportResult.ERASED,
        ImportResult.EXISTS,
        ImportResult.CREATED,
    ]
    assert await _found(ports, *wanted) == [None, None, None, bob, wanted[4]]


async def test_two_imports_of_the_same_users_create_each_once(ports: Ports) -> None:
    """The one that comes second repeats, and finds them."""
    users = [a_user() for _ in range(20)]

    async def import_them() -> set[ImportResult]:
        try:
            return set(await ImportUsers(ports.units)(caller=AUTH, users=users))
        except Unavailable:
            return set(await ImportUsers(ports.units)(caller=AUTH, users=users))

    results = await asyncio.gather(*(import_them() for _ in range(4)))

    assert results.count({ImportResult.CREATED}) == 1
    assert results.count({ImportResult.EXISTS}) == 3
    assert await _found(ports, *users) == users


async def test_an_address_that_is_taken_in_the_same_part_creates_none(ports: Ports) -> None:
    """All or nothing: auth-service has looked for duplicates before."""
    one = a_user()
    users = [one, replace(a_user(), id=UUID(int=one.id.int + 1), email=one.email)]

    with pytest.raises(Unavailable):
        await ImportUsers(ports.units)(caller=AUTH, users=users)

    assert await _found(ports, *users) == [None, None]
