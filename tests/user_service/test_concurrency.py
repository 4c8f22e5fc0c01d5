"""Concurrent changes of users."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from chassis.clock import SystemClock
from chassis.errors import NotFound, ServiceError
from chassis.identity.role import Role
from user_service.domain.accounts import Registration
from user_service.domain.errors import EmailTaken, LastAdmin, VersionConflict
from user_service.domain.user import Changes, User
from user_service.usecases.email_addresses import MarkEmailVerified
from user_service.usecases.erasure import DeleteUser
from user_service.usecases.registration import AdmitUser
from user_service.usecases.user_changes import UpdateMe, UpdateUser

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.conftest import Service

CLOCK = SystemClock()


async def _outcomes(*calls: Coroutine[Any, Any, object]) -> list[object]:
    return await asyncio.gather(*calls, return_exceptions=True)


async def _admit(service: Service, user_id: UUID) -> User:
    admit_user = AdmitUser(service.units, service.accounts, CLOCK)
    return await admit_user(caller=caller_of(a_user()), user_id=user_id)


async def test_one_admin_is_left(service: Service) -> None:
    """Twenty concurrent demotions, deactivations and erasures of five admins leave one."""
    admins = [an_admin() for _ in range(5)]
    await service.add(*admins)
    update_user = UpdateUser(service.units, service.accounts, CLOCK)
    delete_user = DeleteUser(service.units, service.accounts, CLOCK)

    calls: list[Coroutine[Any, Any, object]] = []
    for number in range(20):
        admin = admins[number % 5]
        caller = caller_of(admin)
        match number // 5:
            case 0 | 3:
                calls.append(update_user(caller=caller, user_id=admin.id, changes=Changes(role=Role.USER)))
            case 1:
                calls.append(update_user(caller=caller, user_id=admin.id, changes=Changes(is_active=False)))
            case _:
                calls.append(delete_user(caller=caller, user_id=admin.id))
    outcomes = await _outcomes(*calls)

    left = await service.pool.fetchval("SELECT count(*) FROM users.users WHERE role = 'admin' AND is_active")
    assert left == 1
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(failure, ServiceError) for failure in failures), failures
    assert any(isinstance(failure, LastAdmin) for failure in failures)


async def test_one_of_many_gets_the_address(service: Service) -> None:
    """Of ten users who verify the same address at once, one gets it."""
    users = [a_user(pending_email="wanted@example.org") for _ in range(10)]
    await service.add(*users)

    verify = MarkEmailVerified(service.units, CLOCK)

    outcomes = await _outcomes(
        *(verify(caller=caller_of(user), user_id=user.id, email="wanted@example.org") for user in users)
    )

    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 9


async def test_one_of_many_registrations_gets_the_address(service: Service) -> None:
    """Of ten registrations with the same address, one is admitted."""
    ids = [a_user().id for _ in range(10)]
    for user_id in ids:
        service.auth.waiting[user_id] = Registration("wanted@example.org", "Ada", Role.USER)

    outcomes = await _outcomes(*(_admit(service, user_id) for user_id in ids))

    assert sum(isinstance(outcome, EmailTaken) for outcome in outcomes) == 9
    assert await service.pool.fetchval("SELECT count(*) FROM users.users") == 1


async def test_one_registration_creates_one_user(service: Service) -> None:
    """Concurrent admissions of one registration create one user, and none is refused."""
    for _ in range(60):
        user_id = a_user().id
        service.auth.waiting[user_id] = Registration(f"{user_id}@example.org", "Ada", Role.USER)

        outcomes = await _outcomes(*(_admit(service, user_id) for _ in range(6)))

        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert failures == []
    assert await service.pool.fetchval("SELECT count(*) FROM users.users") == 60


async def test_one_of_many_conditional_changes_wins(service: Service) -> None:
    """Of ten changes conditional on the same version, one is made."""
    ada = a_user()
    await service.add(ada)
    update_me = UpdateMe(UpdateUser(service.units, service.accounts, CLOCK))

    outcomes = await _outcomes(
        *(
            update_me(caller=caller_of(ada), full_name=f"Ada {number}", email=None, if_match='"1-0"')
            for number in range(10)
        )
    )

    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 9
    found = await service.find(ada)
    assert found is not None
    assert found.version == 2


async def test_erasing_wins_over_admitting(service: Service) -> None:
    """A user who is erased while the registration is announced again stays erased."""
    admin = an_admin()
    await service.add(admin)
    delete_user = DeleteUser(service.units, service.accounts, CLOCK)
    for _ in range(10):
        ada = a_user()
        await service.add(ada)
        service.auth.waiting[ada.id] = Registration(ada.email, ada.full_name, Role.USER)

        outcomes = await _outcomes(
            delete_user(caller=caller_of(admin), user_id=ada.id),
            *(_admit(service, ada.id) for _ in range(4)),
        )

        assert outcomes[0] is None
        assert await service.find(ada) is None
        failures = [outcome for outcome in outcomes[1:] if isinstance(outcome, BaseException)]
        assert all(isinstance(failure, NotFound) for failure in failures), failures
