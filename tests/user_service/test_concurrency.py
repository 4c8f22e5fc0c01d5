"""What holds when many change people at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from chassis.errors import NotFound, ServiceError
from user_service.domain.errors import EmailTaken, LastAdmin, VersionConflict
from user_service.domain.user import Changes, Registration, Role

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.conftest import House


async def _outcomes(*calls: Coroutine[Any, Any, object]) -> list[object]:
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_one_admin_is_left(house: House) -> None:
    """Twenty demotions, deactivations and erasures of five admins at once leave one."""
    admins = [an_admin() for _ in range(5)]
    await house.add(*admins)
    does = house.does

    calls: list[Coroutine[Any, Any, object]] = []
    for number in range(20):
        admin = admins[number % 5]
        match number // 5:
            case 0 | 3:
                calls.append(does.update_user(caller_of(admin), admin.id, Changes(role=Role.USER)))
            case 1:
                calls.append(does.update_user(caller_of(admin), admin.id, Changes(is_active=False)))
            case _:
                calls.append(does.delete_user(caller_of(admin), admin.id))
    outcomes = await _outcomes(*calls)

    left = await house.database.fetchval(
        "SELECT count(*) FROM users.users WHERE role = 'admin' AND is_active"
    )
    assert left == 1
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(failure, ServiceError) for failure in failures), failures
    assert any(isinstance(failure, LastAdmin) for failure in failures)


async def test_one_of_many_gets_the_address(house: House) -> None:
    """Of ten who prove one address at once, one gets it."""
    people = [a_user(pending_email="wanted@example.org") for _ in range(10)]
    await house.add(*people)

    outcomes = await _outcomes(
        *(house.does.mark_email_verified(caller_of(user), user.id, "wanted@example.org") for user in people)
    )

    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 9


async def test_one_of_many_registrations_gets_the_address(house: House) -> None:
    """Of ten registrations with one address, one becomes a person."""
    ids = [a_user().id for _ in range(10)]
    for user_id in ids:
        house.auth.waiting[user_id] = Registration("wanted@example.org", "Ada", Role.USER)

    outcomes = await _outcomes(*(house.does.admit_user(caller_of(a_user()), user_id) for user_id in ids))

    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 9
    assert await house.database.fetchval("SELECT count(*) FROM users.users") == 1


async def test_one_registration_is_one_person(house: House) -> None:
    """The call and the event of one registration, at the same moment, admit it once and never refuse it."""
    for _ in range(60):
        user_id = a_user().id
        house.auth.waiting[user_id] = Registration(f"{user_id}@example.org", "Ada", Role.USER)

        outcomes = await _outcomes(*(house.does.admit_user(caller_of(a_user()), user_id) for _ in range(6)))

        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert failures == []
    assert await house.database.fetchval("SELECT count(*) FROM users.users") == 60


async def test_one_of_many_conditional_changes_wins(house: House) -> None:
    """Of ten changes meant for one version, one is made."""
    ada = a_user()
    await house.add(ada)

    outcomes = await _outcomes(
        *(
            house.does.update_me(caller_of(ada), full_name=f"Ada {number}", email=None, if_match='"1-0"')
            for number in range(10)
        )
    )

    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 9
    found = await house.find(ada)
    assert found is not None
    assert found.version == 2


async def test_erasing_wins_over_admitting(house: House) -> None:
    """Whoever is erased while the registration is announced again stays erased."""
    admin = an_admin()
    await house.add(admin)
    for _ in range(10):
        ada = a_user()
        await house.add(ada)
        house.auth.waiting[ada.id] = Registration(ada.email, ada.full_name, Role.USER)

        outcomes = await _outcomes(
            house.does.delete_user(caller_of(admin), ada.id),
            *(house.does.admit_user(caller_of(ada), ada.id) for _ in range(4)),
        )

        assert outcomes[0] is None
        assert await house.find(ada) is None
        failures = [outcome for outcome in outcomes[1:] if isinstance(outcome, BaseException)]
        assert all(isinstance(failure, NotFound) for failure in failures), failures
