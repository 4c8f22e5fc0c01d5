"""DirectoryService over the wire."""

import asyncio
from datetime import UTC, datetime

import pytest
from chassis.errors import RemoteError, Unavailable
from google.protobuf.timestamp_pb2 import Timestamp
from user_service.domain.user import Registration, Role
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1 import user_pb2
from vestibule.users.v1.directory_service_pb2_grpc import DirectoryServiceStub

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.conftest import House

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def test_admit(house: House) -> None:
    """A registration becomes a person, once, however often and at once it is asked for."""
    user_id = a_user().id
    house.auth.waiting[user_id] = Registration("Ada@example.org", "Ada Lovelace", Role.ADMIN)
    request = pb.AdmitUserRequest(user_id=str(user_id))

    answers = await asyncio.gather(*(house.directory.AdmitUser(request) for _ in range(10)))

    assert {(str(user_id), "Ada@example.org", 1)} == {
        (answer.user.id, answer.user.email, answer.version) for answer in answers
    }
    assert answers[0].user.role == user_pb2.ROLE_ADMIN
    assert await house.audited() == [("users.admit", "success")]
    changed = [event for event in await house.events() if event.HasField("user_changed")]
    assert [[f"user:{user_id}"]] == [list(event.tags) for event in changed]


async def test_admit_again_when_the_registration_is_gone(house: House) -> None:
    """auth-service drops its copy once the person is known: a repeat does not ask for it."""
    ada = a_user()
    await house.add(ada)

    answer = await house.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(ada.id)))

    assert ada.email == answer.user.email


@pytest.mark.parametrize("address", ["ADA@example.org", "ada@example.org "])
async def test_admit_with_a_taken_address(house: House, address: str) -> None:
    """Nobody is admitted."""
    ada, user_id = a_user("ada@example.org"), a_user().id
    await house.add(ada)
    house.auth.waiting[user_id] = Registration(address, "Ada Copy", Role.USER)

    with pytest.raises(RemoteError) as caught:
        await house.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(user_id)))

    assert caught.value.reason == "EMAIL_TAKEN"
    assert await house.events() == []


async def test_admit_nobody(house: House) -> None:
    """No registration, no person."""
    with pytest.raises(RemoteError) as caught:
        await house.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(a_user().id)))

    assert caught.value.reason == "NOT_FOUND"


async def test_admit_while_auth_service_fails(house: House) -> None:
    """It is to be tried again."""
    house.auth.failure = Unavailable()

    with pytest.raises(Unavailable):
        await house.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(a_user().id)))


async def test_erased_are_not_admitted_again(house: House) -> None:
    """A late repeat of an old registration brings nobody back."""
    ada, admin = a_user(), an_admin()
    await house.add(ada, admin)
    await house.does.delete_user(caller_of(admin), ada.id)
    house.auth.waiting[ada.id] = Registration(ada.email, ada.full_name, Role.USER)

    with pytest.raises(RemoteError) as caught:
        await house.directory.AdmitUser(pb.AdmitUserRequest(user_id=str(ada.id)))

    assert caught.value.reason == "NOT_FOUND"
    assert await house.find(ada) is None


async def test_get_account(house: House) -> None:
    """A person, an erased one and one who never was are told apart."""
    ada, bob, admin = a_user(version=7), a_user(version=3), an_admin()
    await house.add(ada, bob, admin)
    await house.does.delete_user(caller_of(admin), bob.id)

    alive = await house.directory.GetAccount(pb.GetAccountRequest(user_id=str(ada.id)))
    erased = await house.directory.GetAccount(pb.GetAccountRequest(user_id=str(bob.id)))
    with pytest.raises(RemoteError) as caught:
        await house.directory.GetAccount(pb.GetAccountRequest(user_id=str(a_user().id)))

    assert (ada.email, 7, False) == (alive.user.email, alive.version, alive.erased)
    assert (erased.HasField("user"), erased.version, erased.erased) == (False, 4, True)
    assert caught.value.reason == "NOT_FOUND"


async def test_record_sign_in(house: House) -> None:
    """The last sign-in moves forward only; it makes copies stale and is no new version."""
    ada = a_user()
    await house.add(ada)

    for hour in (12, 11, 12):
        signed_in_at = Timestamp()
        signed_in_at.FromDatetime(NOON.replace(hour=hour))
        await house.directory.RecordSignIn(
            pb.RecordSignInRequest(user_id=str(ada.id), signed_in_at=signed_in_at)
        )

    found = await house.find(ada)
    assert found is not None
    assert (NOON, 1, ada.updated_at) == (found.last_login_at, found.version, found.updated_at)
    assert [([f"user:{ada.id}"], None)] == [
        (list(event.tags), event.WhichOneof("payload")) for event in await house.events()
    ]


async def test_sign_in_of_nobody_is_no_error(house: House) -> None:
    """The person may have been erased since."""
    signed_in_at = Timestamp(seconds=1)

    await house.directory.RecordSignIn(
        pb.RecordSignInRequest(user_id=str(a_user().id), signed_in_at=signed_in_at)
    )

    assert await house.events() == []


async def test_directory_is_auth_services_alone(house: House) -> None:
    """Neither the gateway nor a signed-in admin may call it."""
    admin = an_admin()
    await house.add(admin)
    house.sign_in(admin)
    stub = DirectoryServiceStub(house.channel)

    for call in (
        stub.AdmitUser(pb.AdmitUserRequest(user_id=str(admin.id))),
        stub.GetAccount(pb.GetAccountRequest(user_id=str(admin.id))),
        stub.RecordSignIn(pb.RecordSignInRequest(user_id=str(admin.id), signed_in_at=Timestamp(seconds=1))),
    ):
        with pytest.raises(RemoteError) as caught:
            await call
        assert caught.value.reason == "FORBIDDEN"


async def test_mark_email_verified(house: House) -> None:
    """Cached copies go stale by it; no other service may say so."""
    ada = a_user("Ada@example.org", email_verified=False)
    await house.add(ada)
    request = pb.MarkEmailVerifiedRequest(user_id=str(ada.id), email="Ada@example.org")

    await house.directory.MarkEmailVerified(request)
    await house.directory.MarkEmailVerified(request)

    account = await house.directory.GetAccount(pb.GetAccountRequest(user_id=str(ada.id)))
    assert (account.user.email_verified, account.version) == (True, 2)
    assert await house.audited() == [("users.email_verified", "success")]
    changed = [event for event in await house.events() if event.HasField("user_changed")]
    assert [[f"user:{ada.id}"]] == [list(event.tags) for event in changed]
