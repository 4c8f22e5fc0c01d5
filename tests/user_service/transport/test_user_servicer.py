"""UserService over the wire: what admins do to others."""

from dataclasses import replace

import pytest
from chassis.errors import Forbidden, Kind, NotFound, RemoteError
from user_service.domain.user import Role
from vestibule.users.v1 import user_pb2
from vestibule.users.v1 import user_service_pb2 as pb

from tests.user_service.builders import a_user, an_admin
from tests.user_service.conftest import House


async def test_erased_person_leaves_no_trace(house: House) -> None:
    """Neither a table nor an event of this service holds the name or the address."""
    ada, admin = a_user("ada.lovelace@example.org", full_name="Ada Lovelace"), an_admin()
    await house.add(ada, admin)
    house.sign_in(ada)
    await house.users.UpdateMe(pb.UpdateMeRequest(email="ada.king@example.org", full_name="Ada King"))
    house.sign_in(admin)
    await house.users.ListUsers(pb.ListUsersRequest(search="lovelace"))

    await house.users.DeleteUser(pb.DeleteUserRequest(user_id=str(ada.id)))

    for table in ("users", "tombstones", "outbox"):
        rows = await house.database.fetch(f"SELECT * FROM users.{table}")
        held = " ".join(str(value).lower() for row in rows for value in row.values())
        for word in ("lovelace", "ada.king", "ada king"):
            assert word not in held


async def test_admin_reads_another_on_the_record(house: House) -> None:
    """Reading oneself is nobody's business; reading another is audited."""
    ada, admin = a_user(), an_admin()
    await house.add(ada, admin)
    house.sign_in(admin)

    await house.users.GetUser(pb.GetUserRequest(user_id=str(admin.id)))
    answer = await house.users.GetUser(pb.GetUserRequest(user_id=str(ada.id)))

    assert str(ada.id) == answer.user.id
    assert await house.audited() == [("users.read", "success")]


async def test_another_is_not_a_users_to_read(house: House) -> None:
    """Whether the other exists makes no difference."""
    ada, bob = a_user(), a_user()
    await house.add(ada, bob)
    house.sign_in(bob)

    for user_id in (ada.id, a_user().id):
        with pytest.raises(RemoteError) as caught:
            await house.users.GetUser(pb.GetUserRequest(user_id=str(user_id)))
        assert Forbidden.reason == caught.value.reason


async def test_unknown_person(house: House) -> None:
    """Reading, changing and erasing nobody is NOT_FOUND."""
    admin, nobody = an_admin(), str(a_user().id)
    await house.add(admin)
    house.sign_in(admin)

    for call in (
        house.users.GetUser(pb.GetUserRequest(user_id=nobody)),
        house.users.UpdateUser(pb.UpdateUserRequest(user_id=nobody, full_name="Nobody")),
        house.users.DeleteUser(pb.DeleteUserRequest(user_id=nobody)),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert NotFound.reason == caught.value.reason


async def test_update_user(house: House) -> None:
    """An admin changes everything at once, and each grave part has its audit entry."""
    ada, admin = a_user(), an_admin()
    await house.add(ada, admin)
    house.sign_in(admin)

    answer = await house.users.UpdateUser(
        pb.UpdateUserRequest(user_id=str(ada.id), full_name="A", role=user_pb2.ROLE_ADMIN, is_active=False)
    )

    assert (answer.user.role, answer.user.is_active) == (user_pb2.ROLE_ADMIN, False)
    assert [ada.id] == house.auth.synced
    assert [action for action, _ in await house.audited()] == [
        "users.update",
        "users.role_changed",
        "users.deactivated",
    ]
    entry = next(event.audit_recorded for event in await house.events() if event.HasField("audit_recorded"))
    assert (str(admin.id), str(ada.id)) == (entry.actor_id, entry.subject_id)
    assert dict(entry.details) == {"fields": "full_name,role,is_active"}


async def test_demoted_admin_is_refused(house: House) -> None:
    """A token that still says admin does not help when the person is none any more."""
    ada, former = a_user(), an_admin()
    await house.add(ada, replace(former, role=Role.USER))
    house.sign_in(former)

    for call in (
        house.users.GetUser(pb.GetUserRequest(user_id=str(ada.id))),
        house.users.ListUsers(pb.ListUsersRequest()),
        house.users.UpdateUser(pb.UpdateUserRequest(user_id=str(ada.id), is_active=False)),
        house.users.DeleteUser(pb.DeleteUserRequest(user_id=str(ada.id))),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert caught.value.reason == "TOKEN_REVOKED"

    assert ada == await house.find(ada)


async def test_last_admin_stays(house: House) -> None:
    """The last active admin is neither demoted, deactivated nor erased, not even by oneself."""
    admin = an_admin()
    await house.add(admin, an_admin(is_active=False))
    house.auth.passwords[admin.id] = "correct"
    house.sign_in(admin)

    for call in (
        house.users.UpdateUser(pb.UpdateUserRequest(user_id=str(admin.id), role=user_pb2.ROLE_USER)),
        house.users.UpdateUser(pb.UpdateUserRequest(user_id=str(admin.id), is_active=False)),
        house.users.DeleteUser(pb.DeleteUserRequest(user_id=str(admin.id))),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert caught.value.reason == "FORBIDDEN"
    with pytest.raises(RemoteError) as caught:
        await house.users.DeleteMe(pb.DeleteMeRequest(password="correct"))
    assert (caught.value.kind, caught.value.reason) == (Kind.CONFLICT, "LAST_ADMIN")

    assert admin == await house.find(admin)
    assert await house.audited() == [("users.delete", "refused")]


async def test_unspecified_role_is_invalid(house: House) -> None:
    """A role that is none is a wrong field, to set and to filter by."""
    ada, admin = a_user(), an_admin()
    await house.add(ada, admin)
    house.sign_in(admin)

    for call in (
        house.users.UpdateUser(pb.UpdateUserRequest(user_id=str(ada.id), role=user_pb2.ROLE_UNSPECIFIED)),
        house.users.ListUsers(pb.ListUsersRequest(role=user_pb2.ROLE_UNSPECIFIED)),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert [error.field for error in caught.value.field_errors] == ["role"]


async def test_deleting_twice(house: House) -> None:
    """The second time there is nobody, but auth-service is brought in step again."""
    ada, admin = a_user(), an_admin()
    await house.add(ada, admin)
    house.sign_in(admin)
    request = pb.DeleteUserRequest(user_id=str(ada.id))

    await house.users.DeleteUser(request)
    with pytest.raises(RemoteError) as caught:
        await house.users.DeleteUser(request)

    assert NotFound.reason == caught.value.reason
    assert [ada.id, ada.id] == house.auth.synced
