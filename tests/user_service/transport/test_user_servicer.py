"""UserService over gRPC: admins and other users."""

from dataclasses import replace

import pytest
from chassis.errors import Forbidden, Kind, NotFound, RemoteError
from chassis.identity.role import Role
from vestibule.users.v1 import user_pb2
from vestibule.users.v1 import user_service_pb2 as pb

from tests.user_service.builders import a_user, an_admin
from tests.user_service.conftest import Service


async def test_erased_user_leaves_no_personal_data(service: Service) -> None:
    """No table and no event of this service contains the name or the address."""
    ada, admin = a_user("ada.lovelace@example.org", full_name="Ada Lovelace"), an_admin()
    await service.add(ada, admin)
    service.sign_in(ada)
    await service.users.UpdateMe(pb.UpdateMeRequest(email="ada.king@example.org", full_name="Ada King"))
    service.sign_in(admin)
    await service.users.ListUsers(pb.ListUsersRequest(search="lovelace"))

    await service.users.DeleteUser(pb.DeleteUserRequest(user_id=str(ada.id)))

    for table in ("users", "tombstones", "outbox"):
        rows = await service.pool.fetch(f"SELECT * FROM users.{table}")
        held = " ".join(str(value).lower() for row in rows for value in row.values())
        for word in ("lovelace", "ada.king", "ada king"):
            assert word not in held


async def test_reading_another_user_is_audited(service: Service) -> None:
    """Reading the own user is not."""
    ada, admin = a_user(), an_admin()
    await service.add(ada, admin)
    service.sign_in(admin)

    await service.users.GetUser(pb.GetUserRequest(user_id=str(admin.id)))
    answer = await service.users.GetUser(pb.GetUserRequest(user_id=str(ada.id)))

    assert str(ada.id) == answer.user.id
    assert await service.audited() == [("users.read", "success")]


async def test_users_cannot_read_others(service: Service) -> None:
    """The response is the same when the other user does not exist."""
    ada, bob = a_user(), a_user()
    await service.add(ada, bob)
    service.sign_in(bob)

    for user_id in (ada.id, a_user().id):
        with pytest.raises(RemoteError) as caught:
            await service.users.GetUser(pb.GetUserRequest(user_id=str(user_id)))
        assert Forbidden.reason == caught.value.reason


async def test_unknown_user(service: Service) -> None:
    """Reading, changing and erasing an unknown user is NOT_FOUND."""
    admin, unknown = an_admin(), str(a_user().id)
    await service.add(admin)
    service.sign_in(admin)

    for call in (
        service.users.GetUser(pb.GetUserRequest(user_id=unknown)),
        service.users.UpdateUser(pb.UpdateUserRequest(user_id=unknown, full_name="Ada")),
        service.users.DeleteUser(pb.DeleteUserRequest(user_id=unknown)),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert NotFound.reason == caught.value.reason


async def test_update_user(service: Service) -> None:
    """An admin changes several fields; each critical one has its own audit entry."""
    ada, admin = a_user(), an_admin()
    await service.add(ada, admin)
    service.sign_in(admin)

    answer = await service.users.UpdateUser(
        pb.UpdateUserRequest(user_id=str(ada.id), full_name="A", role=user_pb2.ROLE_ADMIN, is_active=False)
    )

    assert (answer.user.role, answer.user.is_active) == (user_pb2.ROLE_ADMIN, False)
    assert [ada.id] == service.auth.synced
    assert [action for action, _ in await service.audited()] == [
        "users.update",
        "users.role_changed",
        "users.deactivated",
    ]
    entry = next(event.audit_recorded for event in await service.events() if event.HasField("audit_recorded"))
    assert (str(admin.id), str(ada.id)) == (entry.actor_id, entry.subject_id)
    assert dict(entry.details) == {"fields": "full_name,role,is_active"}


async def test_demoted_admin_is_refused(service: Service) -> None:
    """A token that still says admin is not enough."""
    ada, former = a_user(), an_admin()
    await service.add(ada, replace(former, role=Role.USER))
    service.sign_in(former)

    for call in (
        service.users.GetUser(pb.GetUserRequest(user_id=str(ada.id))),
        service.users.ListUsers(pb.ListUsersRequest()),
        service.users.UpdateUser(pb.UpdateUserRequest(user_id=str(ada.id), is_active=False)),
        service.users.DeleteUser(pb.DeleteUserRequest(user_id=str(ada.id))),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert caught.value.reason == "TOKEN_REVOKED"

    assert ada == await service.find(ada)


async def test_last_admin_stays(service: Service) -> None:
    """The last active admin cannot be demoted, deactivated or erased, not even by their own call."""
    admin = an_admin()
    await service.add(admin, an_admin(is_active=False))
    service.auth.passwords[admin.id] = "correct"
    service.sign_in(admin)

    for call in (
        service.users.UpdateUser(pb.UpdateUserRequest(user_id=str(admin.id), role=user_pb2.ROLE_USER)),
        service.users.UpdateUser(pb.UpdateUserRequest(user_id=str(admin.id), is_active=False)),
        service.users.DeleteUser(pb.DeleteUserRequest(user_id=str(admin.id))),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert caught.value.reason == "FORBIDDEN"
    with pytest.raises(RemoteError) as caught:
        await service.users.DeleteMe(pb.DeleteMeRequest(password="correct"))
    assert (caught.value.kind, caught.value.reason) == (Kind.CONFLICT, "LAST_ADMIN")

    assert admin == await service.find(admin)
    assert await service.audited() == [("users.delete", "refused")]


async def test_unspecified_role_is_invalid(service: Service) -> None:
    """It is an invalid field, for changes and filters."""
    ada, admin = a_user(), an_admin()
    await service.add(ada, admin)
    service.sign_in(admin)

    for call in (
        service.users.UpdateUser(pb.UpdateUserRequest(user_id=str(ada.id), role=user_pb2.ROLE_UNSPECIFIED)),
        service.users.ListUsers(pb.ListUsersRequest(role=user_pb2.ROLE_UNSPECIFIED)),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert [error.field for error in caught.value.field_errors] == ["role"]


async def test_deleting_twice(service: Service) -> None:
    """The second call is NOT_FOUND, but syncs auth-service again."""
    ada, admin = a_user(), an_admin()
    await service.add(ada, admin)
    service.sign_in(admin)
    request = pb.DeleteUserRequest(user_id=str(ada.id))

    await service.users.DeleteUser(request)
    with pytest.raises(RemoteError) as caught:
        await service.users.DeleteUser(request)

    assert NotFound.reason == caught.value.reason
    assert [ada.id, ada.id] == service.auth.synced
