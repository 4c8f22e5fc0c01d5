"""Changing an address, over gRPC."""

from dataclasses import replace
from typing import Any

import pytest
from chassis.errors import Kind, RemoteError
from chassis.identity.role import Role
from chassis.ids import uuid7
from user_service.domain.accounts import Registration
from user_service.domain.email_change import EMAIL_REQUESTS_MAX
from user_service.domain.user import User
from vestibule.users.v1 import directory_service_pb2
from vestibule.users.v1 import user_service_pb2 as pb

from tests.user_service.builders import a_user, an_admin
from tests.user_service.conftest import Service

NEW = "new@example.org"


async def _request(service: Service, user: User, email: str) -> pb.UpdateMeResponse:
    service.sign_in(user)
    return await service.users.UpdateMe(pb.UpdateMeRequest(email=email))


async def _verify(service: Service, user: User, email: str) -> Any:
    request = directory_service_pb2.MarkEmailVerifiedRequest(user_id=str(user.id), email=email)
    return await service.directory.MarkEmailVerified(request)


async def _restore(service: Service, user: User, email: str) -> None:
    request = directory_service_pb2.RestoreEmailRequest(user_id=str(user.id), email=email)
    await service.directory.RestoreEmail(request)


async def _register(service: Service, email: str) -> None:
    user_id = uuid7()
    service.auth.waiting[user_id] = Registration(email, "Eve", Role.USER)
    await service.directory.AdmitUser(directory_service_pb2.AdmitUserRequest(user_id=str(user_id)))


async def test_a_taken_address_cannot_be_recognised(service: Service) -> None:
    """Responses, version, time and tag are the same as for an available address."""
    ada, eve, owner = a_user(), a_user(), a_user("Taken@B\u00fccher.example")
    await service.add(ada, eve, owner)

    free = await _request(service, ada, NEW)
    taken = await _request(service, eve, "taken@xn--bcher-kva.example")

    assert taken.user.pending_email == "taken@xn--bcher-kva.example"
    for answer, user in ((free, ada), (taken, eve)):
        assert (answer.user.email, answer.user.email_verified) == (user.email, True)
        assert answer.user.etag == '"2-0"'
        service.sign_in(user)
        assert (await service.users.GetMe(pb.GetMeRequest())).user == answer.user
    assert [action for action, _ in await service.audited()] == 2 * [
        "users.update",
        "users.email_change_requested",
    ]


async def test_a_pending_address_stays_available(service: Service) -> None:
    """Two users request it, a third registers with it; then the two can no longer verify it."""
    ada, eve = a_user(), a_user()
    await service.add(ada, eve)
    await _request(service, ada, NEW)
    await _request(service, eve, NEW)
    await _register(service, NEW)

    for user in (ada, eve):
        with pytest.raises(RemoteError) as caught:
            await _verify(service, user, NEW)
        assert (caught.value.kind, caught.value.reason) == (Kind.ALREADY_EXISTS, "EMAIL_TAKEN")
    assert (await service.audited())[-1] == ("users.email_changed", "refused")


async def test_five_requests_per_hour(service: Service) -> None:
    """The next one is refused with the time to wait; other changes are allowed."""
    ada, owner = a_user(), a_user("taken@example.org")
    await service.add(ada, owner)
    for number in range(EMAIL_REQUESTS_MAX):
        await _request(service, ada, f"new-{number}@example.org")
    await _request(service, ada, f"new-{EMAIL_REQUESTS_MAX - 1}@example.org")

    for email in (NEW, owner.email):
        with pytest.raises(RemoteError) as caught:
            await _request(service, ada, email)
        assert (caught.value.kind, caught.value.reason) == (Kind.EXHAUSTED, "RATE_LIMITED")
        assert 3500 < (caught.value.retry_after_seconds or 0) <= 3600
    await service.users.UpdateMe(pb.UpdateMeRequest(full_name="Ada King"))
    assert not (await _request(service, ada, ada.email)).user.HasField("pending_email")

    await service.pool.execute("UPDATE users.users SET email_requests[1] = now() - interval '61 minutes'")
    await _request(service, ada, NEW)


async def test_a_verified_address_becomes_the_current_one(service: Service) -> None:
    """The former one is reserved while it can be restored."""
    ada = a_user("ada@example.org")
    await service.add(ada)
    await _request(service, ada, NEW)

    for _ in range(2):
        user = (await _verify(service, ada, NEW)).user
        assert (user.email, user.email_verified, user.HasField("pending_email")) == (NEW, True, False)
    with pytest.raises(RemoteError) as caught:
        await _register(service, "Ada@example.org")
    assert caught.value.reason == "EMAIL_TAKEN"

    await _request(service, ada, "ada@example.org")
    assert (await _verify(service, ada, "ada@example.org")).user.email == "ada@example.org"


async def test_a_reservation_expires(service: Service) -> None:
    """Then another user can register with the address."""
    ada = a_user("ada@example.org")
    await service.add(ada)
    await _request(service, ada, NEW)
    await _verify(service, ada, NEW)
    await service.pool.execute("UPDATE users.reserved_emails SET reserved_until = now()")

    await _register(service, "ada@example.org")

    with pytest.raises(RemoteError) as caught:
        await _restore(service, ada, "ada@example.org")
    assert caught.value.reason == "EMAIL_TAKEN"


async def test_restoring(service: Service) -> None:
    """The address is restored and verified, nothing is pending, and the reservation ends."""
    ada = a_user("ada@example.org", email_verified=False)
    await service.add(ada)
    await _request(service, ada, NEW)
    await _verify(service, ada, NEW)
    await _request(service, ada, "newer@example.org")

    for _ in range(2):
        await _restore(service, ada, "ada@example.org")

    found = await service.find(ada)
    assert found is not None
    assert (found.email, found.email_verified, found.pending_email) == ("ada@example.org", True, None)
    assert (await service.audited())[-1] == ("users.email_restored", "success")
    assert (await service.audited()).count(("users.email_restored", "success")) == 1
    await _register(service, NEW)


async def test_an_admin_changes_an_address(service: Service) -> None:
    """It is pending unless the admin vouches for it; an admin learns that it is taken."""
    ada, admin = a_user("ada@example.org"), an_admin("admin@example.org")
    await service.add(ada, admin)
    service.sign_in(admin)
    for vouches in (None, True):
        with pytest.raises(RemoteError) as caught:
            await service.users.UpdateUser(
                pb.UpdateUserRequest(user_id=str(ada.id), email=admin.email, email_verified=vouches)
            )
        assert caught.value.reason == "EMAIL_TAKEN"

    requested = await service.users.UpdateUser(pb.UpdateUserRequest(user_id=str(ada.id), email=NEW))
    assert (requested.user.email, requested.user.pending_email) == (ada.email, NEW)
    vouched = await service.users.UpdateUser(
        pb.UpdateUserRequest(user_id=str(ada.id), email=NEW, email_verified=True)
    )

    user = vouched.user
    assert (user.email, user.email_verified, user.HasField("pending_email")) == (NEW, True, False)
    with pytest.raises(RemoteError):
        await _register(service, ada.email)


async def test_vouching_for_the_current_address(service: Service) -> None:
    """A pending address stays pending."""
    ada, admin = a_user(email_verified=False), an_admin()
    await service.add(replace(ada, pending_email=NEW), admin)
    service.sign_in(admin)

    answer = await service.users.UpdateUser(pb.UpdateUserRequest(user_id=str(ada.id), email_verified=True))

    assert (answer.user.email, answer.user.email_verified) == (ada.email, True)
    assert answer.user.pending_email == NEW
    assert [action for action, _ in await service.audited()] == ["users.update", "users.email_verified"]


async def test_erasing_a_user_with_a_pending_address(service: Service) -> None:
    """Its address is available again, and a late verification changes nothing."""
    ada, admin = a_user("ada@example.org"), an_admin()
    await service.add(ada, admin)
    await _request(service, ada, NEW)
    await _verify(service, ada, NEW)
    service.sign_in(admin)
    await service.users.DeleteUser(pb.DeleteUserRequest(user_id=str(ada.id)))

    assert not (await _verify(service, ada, NEW)).HasField("user")
    await _restore(service, ada, "ada@example.org")
    await _register(service, "ada@example.org")
    await _register(service, NEW)
