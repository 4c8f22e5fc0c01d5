"""UserService over the wire."""

from dataclasses import replace

import pytest
from chassis.errors import Forbidden, Invalid, Kind, NotFound, RemoteError, Unauthenticated, Unavailable
from chassis.grpc import committed
from google.protobuf.empty_pb2 import Empty
from user_service.domain.user import Role
from vestibule.users.v1 import user_pb2
from vestibule.users.v1 import user_service_pb2 as pb

from tests.user_service.builders import a_user, an_admin
from tests.user_service.conftest import House


def _changed(events: list[object]) -> list[str]:
    return [event.user_changed.user_id for event in events if event.HasField("user_changed")]  # type: ignore[attr-defined]


async def test_get_me(house: House) -> None:
    """A person sees everything that is held of oneself."""
    ada = a_user("Ada@Example.org", version=7)
    await house.add(ada)
    house.sign_in(ada)

    answer = await house.users.GetMe(pb.GetMeRequest())

    assert str(ada.id) == answer.user.id
    assert answer.user.email == "Ada@Example.org"
    assert answer.user.role == user_pb2.ROLE_USER
    assert answer.user.etag == '"7-0"'
    assert not answer.user.HasField("last_login_at")
    assert ada.created_at.timestamp() == answer.user.created_at.seconds


async def test_strangers_are_refused(house: House) -> None:
    """Without a token nobody reads anything."""
    with pytest.raises(RemoteError) as caught:
        await house.users.GetMe(pb.GetMeRequest())

    assert Unauthenticated.reason == caught.value.reason


async def test_token_outlives_its_person_in_vain(house: House) -> None:
    """Who was erased or deactivated is refused here even before the token is revoked."""
    ghost, sleeper = a_user(), a_user(is_active=False)
    await house.add(sleeper)

    for person in (ghost, sleeper):
        house.sign_in(person)
        with pytest.raises(RemoteError) as caught:
            await house.users.GetMe(pb.GetMeRequest())
        assert caught.value.reason == "TOKEN_REVOKED"


async def test_update_me(house: House) -> None:
    """A new name and address are answered, stored, told to auth-service and on the record."""
    ada = a_user("ada@example.org")
    await house.add(ada)
    house.sign_in(ada)
    told = committed.collect()

    answer = await house.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King", email="ada@king.example"))

    assert (answer.user.full_name, answer.user.email) == ("Ada King", "ada@king.example")
    assert not answer.user.email_verified
    assert answer.user.etag == '"2-0"'
    assert [ada.id] == house.auth.synced
    assert [str(ada.id)] == _changed(list(told))
    assert await house.audited() == [("users.update", "success"), ("users.email_changed", "success")]


async def test_name_alone_is_no_matter_of_auth_service(house: House) -> None:
    """A new name is acknowledged even when auth-service is away."""
    ada = a_user()
    await house.add(ada)
    house.sign_in(ada)
    await house.users.GetMe(pb.GetMeRequest())
    house.auth.failure = Unavailable()

    answer = await house.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King"))

    assert answer.user.full_name == "Ada King"
    assert house.auth.synced == []


async def test_unacknowledged_change_is_finished_by_its_repeat(house: House) -> None:
    """While auth-service is away a change is committed, not acknowledged; asked again, it is."""
    ada = a_user()
    await house.add(ada)
    house.sign_in(ada)
    await house.users.GetMe(pb.GetMeRequest())
    house.auth.failure = Unavailable()
    request = pb.UpdateMeRequest(email="ada@king.example")

    with pytest.raises(Unavailable) as caught:
        await house.users.UpdateMe(request)
    house.auth.failure = None
    answer = await house.users.UpdateMe(request)

    assert caught.value.retry_after_seconds
    assert answer.user.etag == '"2-0"'
    assert [ada.id] == house.auth.synced
    assert [str(ada.id)] == _changed(list(await house.events()))


async def test_empty_update_changes_nothing(house: House) -> None:
    """Nothing asked for, nothing done: no version, no event."""
    ada = a_user()
    await house.add(ada)
    house.sign_in(ada)

    answer = await house.users.UpdateMe(pb.UpdateMeRequest())

    assert answer.user.etag == '"1-0"'
    assert await house.events() == []


async def test_address_of_another_is_taken(house: House) -> None:
    """However it is written."""
    ada, bob = a_user("Ada@Bücher.example"), a_user()
    await house.add(ada, bob)
    house.sign_in(bob)

    with pytest.raises(RemoteError) as caught:
        await house.users.UpdateMe(pb.UpdateMeRequest(email="ADA@xn--bcher-kva.example"))

    assert (caught.value.kind, caught.value.reason) == (Kind.ALREADY_EXISTS, "EMAIL_TAKEN")
    assert bob == await house.find(bob)
    assert await house.audited() == [("users.update", "refused")]


@pytest.mark.parametrize("if_match", ['"1-0"', '"9-0", "1-zz"', "*", '"1-abc"'])
async def test_matching_condition(house: House, if_match: str) -> None:
    """A condition that names the present version, whatever the sign-in, lets the change through."""
    ada = a_user()
    await house.add(ada)
    house.sign_in(ada)

    answer = await house.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King", if_match=if_match))

    assert answer.user.etag == '"2-0"'


@pytest.mark.parametrize("if_match", ['"2-0"', 'W/"1-0"', "1-0", "garbage", '"1'])
async def test_conflicting_condition(house: House, if_match: str) -> None:
    """Any other condition refuses it with the kind that becomes 412."""
    ada = a_user()
    await house.add(ada)
    house.sign_in(ada)

    with pytest.raises(RemoteError) as caught:
        await house.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King", if_match=if_match))

    assert (caught.value.kind, caught.value.reason) == (Kind.PRECONDITION, "VERSION_CONFLICT")
    assert ada == await house.find(ada)


async def test_delete_me(house: House) -> None:
    """With the right password nothing remains but a tombstone, and the address is free."""
    ada = a_user("ada@example.org")
    await house.add(ada)
    house.auth.passwords[ada.id] = "correct"
    house.sign_in(ada)

    assert Empty() == await house.users.DeleteMe(pb.DeleteMeRequest(password="correct"))

    assert await house.find(ada) is None
    assert [ada.id] == house.auth.synced
    assert await house.audited() == [("users.delete", "success")]
    assert [ada.id] == [
        row["user_id"] for row in await house.database.fetch("SELECT user_id FROM users.tombstones")
    ]
    await house.add(a_user("ADA@example.org"))


async def test_delete_me_with_a_wrong_password(house: House) -> None:
    """It is the field that is wrong, and nothing is erased."""
    ada = a_user()
    await house.add(ada)
    house.sign_in(ada)

    with pytest.raises(RemoteError) as caught:
        await house.users.DeleteMe(pb.DeleteMeRequest(password="wrong"))

    assert (Invalid.kind, Invalid.reason) == (caught.value.kind, caught.value.reason)
    assert [error.field for error in caught.value.field_errors] == ["password"]
    assert ada == await house.find(ada)
    assert await house.audited() == [("users.delete", "refused")]


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
        pb.UpdateUserRequest(
            user_id=str(ada.id), full_name="A", email="a@b.example", role=user_pb2.ROLE_ADMIN, is_active=False
        )
    )

    assert (answer.user.role, answer.user.is_active) == (user_pb2.ROLE_ADMIN, False)
    assert [ada.id] == house.auth.synced
    assert [action for action, _ in await house.audited()] == [
        "users.update",
        "users.email_changed",
        "users.role_changed",
        "users.deactivated",
    ]
    entry = next(event.audit_recorded for event in await house.events() if event.HasField("audit_recorded"))
    assert (str(admin.id), str(ada.id)) == (entry.actor_id, entry.subject_id)
    assert dict(entry.details) == {"fields": "full_name,email,role,is_active"}


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
        house.users.DeleteMe(pb.DeleteMeRequest(password="correct")),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert (caught.value.kind, caught.value.reason) == (Kind.CONFLICT, "LAST_ADMIN")

    assert admin == await house.find(admin)
    assert await house.audited() == 2 * [("users.update", "refused")] + 2 * [("users.delete", "refused")]


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
