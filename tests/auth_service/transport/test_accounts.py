"""Credentials in step with users, over gRPC."""

import pytest
from chassis.errors import RemoteError, TokenRevoked
from vestibule.auth.v1 import account_service_pb2 as pb
from vestibule.auth.v1 import session_service_pb2
from vestibule.users.v1 import user_pb2

from tests.auth_service.local_service import EMAIL, PASSWORD
from tests.auth_service.service import Service


async def _sync(service: Service, user_id: str) -> None:
    await service.directory.accounts.SyncAccount(pb.SyncAccountRequest(user_id=user_id))


async def _list_sessions(service: Service, token: str) -> None:
    service.come_as(token)
    await service.sessions.ListSessions(session_service_pb2.ListSessionsRequest())


async def test_deactivating_bites_and_reactivating_gives_the_password_back(service: Service) -> None:
    """Tokens and sessions are gone at once, for good."""
    user_id = await service.register()
    tokens = await service.login()
    service.directory.change(user_id, is_active=False)

    await _sync(service, user_id)

    with pytest.raises(RemoteError) as caught:
        await _list_sessions(service, tokens.access_token)
    assert caught.value.reason == TokenRevoked.reason
    with pytest.raises(RemoteError) as caught:
        await service.login()
    assert caught.value.reason == "ACCOUNT_DISABLED"
    service.directory.change(user_id, is_active=True)
    await _sync(service, user_id)
    await service.login()


async def test_a_new_role_is_in_the_next_token(service: Service) -> None:
    """The old one is refused, the session goes on."""
    user_id = await service.register()
    tokens = await service.login()
    service.directory.change(user_id, role=user_pb2.ROLE_ADMIN)

    await _sync(service, user_id)
    await _sync(service, user_id)

    with pytest.raises(RemoteError):
        await _list_sessions(service, tokens.access_token)
    renewed = await service.refresh(tokens.refresh_token)
    assert renewed.role == user_pb2.ROLE_ADMIN
    await _list_sessions(service, renewed.access_token)
    assert (await service.actions()).count(("auth.account_synced", "success")) == 1


async def test_an_erased_user_leaves_ids_only(service: Service) -> None:
    """No table but the trail knows of them, and none knows the address or the name."""
    user_id = await service.register()
    tokens = await service.login()
    service.directory.erase(user_id)

    await _sync(service, user_id)

    with pytest.raises(RemoteError):
        await _list_sessions(service, tokens.access_token)
    for table in ("credentials", "sessions", "sign_in_failures"):
        assert await service.count(table) == 0
    for table in ("audit_events", "outbox", "revocations"):
        rows = await service.pool.fetch(f"SELECT row_to_json(t)::text AS row FROM auth.{table} t")
        for row in rows:
            assert "ada@" not in row["row"].casefold()
            assert "lovelace" not in row["row"].casefold()
    assert await service.register() != user_id


async def test_swapped_addresses_settle(service: Service) -> None:
    """The user who is copied first takes the address; an event has the other's copy fetched again."""
    ada, bob = await service.register("a@example.com"), await service.register("b@example.com")
    service.directory.change(ada, email="b@example.com")
    service.directory.change(bob, email="a@example.com")

    await _sync(service, ada)
    outdated = [
        event.user_changed.user_id for event in await service.events() if event.HasField("user_changed")
    ]
    assert outdated == [bob]
    await _sync(service, bob)

    await service.login("a@example.com")
    await service.login("b@example.com")


async def test_registrations_are_returned_and_dropped(service: Service) -> None:
    """To user-service alone, and only while they wait."""
    user_id = await service.register()
    service.directory.taken.add("b@example.com")
    with pytest.raises(RemoteError) as caught:
        await service.register("b@example.com")
    assert caught.value.reason == "EMAIL_TAKEN"
    assert await service.count("credentials") == 1

    await service.directory.accounts.RefuseRegistration(pb.RefuseRegistrationRequest(user_id=user_id))
    with pytest.raises(RemoteError) as caught:
        await service.directory.accounts.GetRegistration(pb.GetRegistrationRequest(user_id=user_id))
    assert caught.value.reason == "NOT_FOUND"
    await service.login()


async def test_a_password_is_checked_for_user_service(service: Service) -> None:
    """Wrong ones count."""
    user_id = await service.register()
    check = service.directory.accounts.VerifyPassword

    service.come_as()
    assert (await check(pb.VerifyPasswordRequest(user_id=user_id, password=PASSWORD))).matches
    for _ in range(5):
        assert not (await check(pb.VerifyPasswordRequest(user_id=user_id, password="wrong"))).matches
    with pytest.raises(RemoteError) as caught:
        await check(pb.VerifyPasswordRequest(user_id=user_id, password=PASSWORD))
    assert caught.value.reason == "TOO_MANY_ATTEMPTS"
    with pytest.raises(RemoteError) as caught:
        await service.login(EMAIL)
    assert caught.value.reason == "TOO_MANY_ATTEMPTS"
