"""UserService over gRPC: users and their own data."""

import pytest
from chassis.errors import Invalid, Kind, RemoteError, Unauthenticated, Unavailable
from chassis.grpc import committed
from google.protobuf.empty_pb2 import Empty
from vestibule.users.v1 import user_pb2
from vestibule.users.v1 import user_service_pb2 as pb

from tests.user_service.builders import a_user
from tests.user_service.conftest import Service


def _changed(events: list[object]) -> list[str]:
    return [event.user_changed.user_id for event in events if event.HasField("user_changed")]  # type: ignore[attr-defined]


async def test_get_me(service: Service) -> None:
    """A user sees all of the own data."""
    ada = a_user("Ada@Example.org", version=7)
    await service.add(ada)
    service.sign_in(ada)

    answer = await service.users.GetMe(pb.GetMeRequest())

    assert str(ada.id) == answer.user.id
    assert answer.user.email == "Ada@Example.org"
    assert answer.user.role == user_pb2.ROLE_USER
    assert answer.user.etag == '"7-0"'
    assert not answer.user.HasField("last_login_at")
    assert ada.created_at.timestamp() == answer.user.created_at.seconds


async def test_anonymous_callers_are_refused(service: Service) -> None:
    """A token is required."""
    with pytest.raises(RemoteError) as caught:
        await service.users.GetMe(pb.GetMeRequest())

    assert Unauthenticated.reason == caught.value.reason


async def test_inactive_and_erased_users_are_refused(service: Service) -> None:
    """Even before their tokens are revoked."""
    erased, inactive = a_user(), a_user(is_active=False)
    await service.add(inactive)

    for user in (erased, inactive):
        service.sign_in(user)
        with pytest.raises(RemoteError) as caught:
            await service.users.GetMe(pb.GetMeRequest())
        assert caught.value.reason == "TOKEN_REVOKED"


async def test_update_me(service: Service) -> None:
    """A new name and address are returned, stored, synced to auth-service and audited."""
    ada = a_user("ada@example.org")
    await service.add(ada)
    service.sign_in(ada)
    noted = committed.collect()

    answer = await service.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King", email="ada@king.example"))

    assert (answer.user.full_name, answer.user.email) == ("Ada King", "ada@example.org")
    assert answer.user.pending_email == "ada@king.example"
    assert answer.user.email_verified
    assert answer.user.etag == '"2-0"'
    assert [ada.id] == service.auth.synced
    assert [str(ada.id)] == _changed([each.event for each in noted])
    assert await service.audited() == [
        ("users.update", "success"),
        ("users.email_change_requested", "success"),
    ]


async def test_a_new_name_does_not_need_auth_service(service: Service) -> None:
    """The change succeeds while auth-service is down."""
    ada = a_user()
    await service.add(ada)
    service.sign_in(ada)
    await service.users.GetMe(pb.GetMeRequest())
    service.auth.failure = Unavailable()

    answer = await service.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King"))

    assert answer.user.full_name == "Ada King"
    assert service.auth.synced == []


async def test_a_retry_completes_a_failed_change(service: Service) -> None:
    """While auth-service is down the change is committed but fails; a retry succeeds."""
    ada = a_user()
    await service.add(ada)
    service.sign_in(ada)
    await service.users.GetMe(pb.GetMeRequest())
    service.auth.failure = Unavailable()
    request = pb.UpdateMeRequest(email="ada@king.example")

    with pytest.raises(Unavailable) as caught:
        await service.users.UpdateMe(request)
    service.auth.failure = None
    answer = await service.users.UpdateMe(request)

    assert caught.value.retry_after_seconds
    assert answer.user.etag == '"2-0"'
    assert [ada.id] == service.auth.synced
    assert [str(ada.id)] == _changed(list(await service.events()))


async def test_empty_update_changes_nothing(service: Service) -> None:
    """There is no new version and no event."""
    ada = a_user()
    await service.add(ada)
    service.sign_in(ada)

    answer = await service.users.UpdateMe(pb.UpdateMeRequest())

    assert answer.user.etag == '"1-0"'
    assert await service.events() == []


@pytest.mark.parametrize("if_match", ['"1-0"', '"9-0", "1-ab"', "*", '"1-abc"'])
async def test_matching_condition(service: Service, if_match: str) -> None:
    """A condition with the current version, at any sign-in, allows the change."""
    ada = a_user()
    await service.add(ada)
    service.sign_in(ada)

    answer = await service.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King", if_match=if_match))

    assert answer.user.etag == '"2-0"'


@pytest.mark.parametrize("if_match", ['"2-0"', 'W/"1-0"', "1-0", "garbage", '"1'])
async def test_conflicting_condition(service: Service, if_match: str) -> None:
    """Any other condition refuses it with the kind that becomes 412."""
    ada = a_user()
    await service.add(ada)
    service.sign_in(ada)

    with pytest.raises(RemoteError) as caught:
        await service.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King", if_match=if_match))

    assert (caught.value.kind, caught.value.reason) == (Kind.PRECONDITION, "VERSION_CONFLICT")
    assert ada == await service.find(ada)


async def test_erasing_under_a_condition(service: Service) -> None:
    """Only the version that it names is erased."""
    ada = a_user()
    await service.add(ada)
    service.auth.passwords[ada.id] = "correct"
    service.sign_in(ada)

    with pytest.raises(RemoteError) as caught:
        await service.users.DeleteMe(pb.DeleteMeRequest(password="correct", if_match='"2-0"'))

    assert caught.value.reason == "VERSION_CONFLICT"
    assert ada == await service.find(ada)
    await service.users.DeleteMe(pb.DeleteMeRequest(password="correct", if_match='"1-0"'))
    rows = await service.pool.fetch("SELECT user_id FROM users.tombstones")
    assert [row["user_id"] for row in rows] == [ada.id]


async def test_delete_me(service: Service) -> None:
    """With the right password only a tombstone remains, and the address is available."""
    ada = a_user("ada@example.org")
    await service.add(ada)
    service.auth.passwords[ada.id] = "correct"
    service.sign_in(ada)

    assert Empty() == await service.users.DeleteMe(pb.DeleteMeRequest(password="correct"))

    assert await service.find(ada) is None
    assert [ada.id] == service.auth.synced
    assert await service.audited() == [("users.delete", "success")]
    assert [ada.id] == [
        row["user_id"] for row in await service.pool.fetch("SELECT user_id FROM users.tombstones")
    ]
    await service.add(a_user("ADA@example.org"))


async def test_delete_me_with_a_wrong_password(service: Service) -> None:
    """The error is on the field, and nothing is erased."""
    ada = a_user()
    await service.add(ada)
    service.sign_in(ada)

    with pytest.raises(RemoteError) as caught:
        await service.users.DeleteMe(pb.DeleteMeRequest(password="wrong"))

    assert (Invalid.kind, Invalid.reason) == (caught.value.kind, caught.value.reason)
    assert [error.field for error in caught.value.field_errors] == ["password"]
    assert ada == await service.find(ada)
    assert await service.audited() == [("users.delete", "refused")]


async def test_export(service: Service) -> None:
    """One document with the data of both services."""
    ada = a_user("Ada@Example.org")
    await service.add(ada)
    service.sign_in(ada)

    answer = await service.users.ExportMe(pb.ExportMeRequest())

    assert answer.data.user.email == "Ada@Example.org"
    assert answer.data.account.email == "kept by auth-service"
    assert [event.sequence for event in answer.data.audit_events] == [2, 1]
    assert not answer.data.audit_events_truncated
    assert answer.data.exported_at.seconds
    assert ("users.export", "success") in await service.audited()
