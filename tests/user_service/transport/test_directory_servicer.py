"""DirectoryService over gRPC."""

import asyncio
from datetime import UTC, datetime

import pytest
from chassis.clock import SystemClock
from chassis.errors import RemoteError, Unavailable
from chassis.grpc import committed
from chassis.identity.role import Role
from google.protobuf.timestamp_pb2 import Timestamp
from user_service.domain.accounts import Registration
from user_service.domain.user import User
from user_service.usecases.erasure import DeleteUser
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1 import user_pb2
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceStub

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.conftest import Service

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def _erase(service: Service, admin: User, user: User) -> None:
    delete_user = DeleteUser(service.units, service.accounts, SystemClock())
    await delete_user(caller=caller_of(admin), user_id=user.id)


async def test_admit(service: Service) -> None:
    """Concurrent calls for one registration create one user."""
    user_id = a_user().id
    service.auth.waiting[user_id] = Registration("Ada@example.org", "Ada Lovelace", Role.ADMIN)
    request = pb.AdmitUserRequest(user_id=str(user_id))

    answers = await asyncio.gather(*(service.directory.AdmitUser(request) for _ in range(10)))

    assert {(str(user_id), "Ada@example.org", 1)} == {
        (answer.user.id, answer.user.email, answer.version) for answer in answers
    }
    assert answers[0].user.role == user_pb2.ROLE_ADMIN
    assert await service.audited() == [("users.admit", "success")]
    changed = [event for event in await service.events() if event.HasField("user_changed")]
    assert [[f"user:{user_id}"]] == [list(event.tags) for event in changed]


async def test_admit_again_when_the_registration_is_gone(service: Service) -> None:
    """auth-service drops the registration when the user is admitted; a repeat does not need it."""
    ada = a_user()
    await service.add(ada)

    answer = await service.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(ada.id)))

    assert ada.email == answer.user.email


@pytest.mark.parametrize("address", ["ADA@example.org", "ada@example.org "])
async def test_admit_with_a_taken_address(service: Service, address: str) -> None:
    """The registration is refused."""
    ada, user_id = a_user("ada@example.org"), a_user().id
    await service.add(ada)
    service.auth.waiting[user_id] = Registration(address, "Ada Copy", Role.USER)

    with pytest.raises(RemoteError) as caught:
        await service.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(user_id)))

    assert caught.value.reason == "EMAIL_TAKEN"
    assert await service.events() == []


async def test_admit_without_a_registration(service: Service) -> None:
    """It is not found."""
    with pytest.raises(RemoteError) as caught:
        await service.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(a_user().id)))

    assert caught.value.reason == "NOT_FOUND"


async def test_admit_while_auth_service_is_down(service: Service) -> None:
    """The call can be retried."""
    service.auth.failure = Unavailable()

    with pytest.raises(Unavailable):
        await service.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(a_user().id)))


async def test_erased_are_not_admitted_again(service: Service) -> None:
    """A late repeat of the registration does not restore the user."""
    ada, admin = a_user(), an_admin()
    await service.add(ada, admin)
    await _erase(service, admin, ada)
    service.auth.waiting[ada.id] = Registration(ada.email, ada.full_name, Role.USER)

    with pytest.raises(RemoteError) as caught:
        await service.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(ada.id)))

    assert caught.value.reason == "NOT_FOUND"
    assert await service.find(ada) is None


async def test_get_account(service: Service) -> None:
    """A user, an erased user and an unknown id are distinguished."""
    ada, bob, admin = a_user(version=7), a_user(version=3), an_admin()
    await service.add(ada, bob, admin)
    await _erase(service, admin, bob)

    alive = await service.directory.GetAccount(pb.GetAccountRequest(user_id=str(ada.id)))
    erased = await service.directory.GetAccount(pb.GetAccountRequest(user_id=str(bob.id)))
    with pytest.raises(RemoteError) as caught:
        await service.directory.GetAccount(pb.GetAccountRequest(user_id=str(a_user().id)))

    assert (ada.email, 7, False) == (alive.user.email, alive.version, alive.erased)
    assert (erased.HasField("user"), erased.version, erased.erased) == (False, 4, True)
    assert caught.value.reason == "NOT_FOUND"


async def test_record_sign_in(service: Service) -> None:
    """The last sign-in only moves forward; the response makes cached copies stale, without a new version."""
    ada = a_user()
    await service.add(ada)
    committed.collect()

    for hour in (12, 11, 12):
        signed_in_at = Timestamp()
        signed_in_at.FromDatetime(NOON.replace(hour=hour))
        await service.directory.RecordSignIn(
            pb.RecordSignInRequest(user_id=str(ada.id), signed_in_at=signed_in_at)
        )

    found = await service.find(ada)
    assert found is not None
    assert (NOON, 1, ada.updated_at) == (found.last_login_at, found.version, found.updated_at)
    assert [([f"user:{ada.id}"], None)] == [
        (list(event.tags), event.WhichOneof("payload")) for event in committed.committed_events()
    ]


async def test_sign_in_of_an_unknown_user_is_ignored(service: Service) -> None:
    """The user may have been erased since."""
    signed_in_at = Timestamp(seconds=1)

    await service.directory.RecordSignIn(
        pb.RecordSignInRequest(user_id=str(a_user().id), signed_in_at=signed_in_at)
    )

    assert await service.events() == []


async def test_only_auth_service_may_call(service: Service) -> None:
    """Neither the gateway nor a signed-in admin may call it."""
    admin = an_admin()
    await service.add(admin)
    service.sign_in(admin)
    stub = DirectoryServiceStub(service.channel)

    for call in (
        stub.AdmitUser(pb.AdmitUserRequest(user_id=str(admin.id))),
        stub.GetAccount(pb.GetAccountRequest(user_id=str(admin.id))),
        stub.RecordSignIn(pb.RecordSignInRequest(user_id=str(admin.id), signed_in_at=Timestamp(seconds=1))),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert caught.value.reason == "FORBIDDEN"


async def test_mark_email_verified(service: Service) -> None:
    """It makes cached copies stale; a repeat changes nothing."""
    ada = a_user("Ada@example.org", email_verified=False)
    await service.add(ada)
    request = pb.MarkEmailVerifiedRequest(user_id=str(ada.id), email="Ada@example.org")

    await service.directory.MarkEmailVerified(request)
    await service.directory.MarkEmailVerified(request)

    account = await service.directory.GetAccount(pb.GetAccountRequest(user_id=str(ada.id)))
    assert (account.user.email_verified, account.version) == (True, 2)
    assert await service.audited() == [("users.email_verified", "success")]
    changed = [event for event in await service.events() if event.HasField("user_changed")]
    assert [[f"user:{ada.id}"]] == [list(event.tags) for event in changed]
