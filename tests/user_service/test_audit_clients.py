"""Whom audit events came from: never in an event, told to auth-service alone, gone with the person."""

from uuid import UUID

import pytest
from chassis.errors import NotFound, RemoteError
from chassis.grpc.call import Call, enter
from chassis.identity.caller import Caller
from user_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from user_service.domain.audit import Action, entry
from user_service.domain.user import User
from vestibule.events.v1.events_pb2 import Event
from vestibule.users.v1 import directory_service_pb2 as pb
from vestibule.users.v1 import user_service_pb2

from tests.user_service.builders import a_user, an_admin
from tests.user_service.conftest import Service

CANARY = "canary"


def _come(service: Service, user: User) -> None:
    """Makes the calls that follow those of a client that can be told apart."""
    caller = Caller(client_address="203.0.113.77", user_agent=f"{CANARY}/1.0", request_id=f"{CANARY}-1")
    enter(Call(caller=caller, bearer_token=service.auth.token(user.id, user.role)))


async def _audit_events(service: Service) -> list[Event]:
    return [event for event in await service.events() if event.HasField("audit_recorded")]


async def _client(service: Service, event: Event) -> pb.GetAuditClientResponse:
    return await service.directory.GetAuditClient(pb.GetAuditClientRequest(event_id=event.event_id))


async def test_no_event_carries_a_client(service: Service) -> None:
    """auth-service fetches it by the event's id."""
    ada = a_user()
    await service.add(ada)
    _come(service, ada)
    await service.users.UpdateMe(user_service_pb2.UpdateMeRequest(full_name="Countess"))

    events = await service.events()
    assert events
    for event in events:
        assert CANARY.encode() not in event.SerializeToString()
        assert b"203.0.113.77" not in event.SerializeToString()
    (audited,) = await _audit_events(service)
    assert audited.audit_recorded.client_kept
    client = await _client(service, audited)
    assert (client.ip, client.user_agent, client.request_id) == ("203.0.113.77", "canary/1.0", "canary-1")


async def test_the_release_before_is_told_in_the_event(service: Service) -> None:
    """It cannot fetch it: while it may handle events, they carry what they carried there."""
    ada = a_user()
    caller = Caller(
        user_id=ada.id, client_address="203.0.113.77", user_agent=f"{CANARY}/1.0", request_id=f"{CANARY}-1"
    )
    async with PostgresUnitsOfWork(service.pool, carries_clients=True).transaction() as unit:
        await unit.outbox.audit(entry(Action.UPDATE, caller, ada.id))

    (audited,) = await _audit_events(service)
    told = audited.audit_recorded
    assert (told.ip, told.user_agent, told.request_id) == ("203.0.113.77", "canary/1.0", "canary-1")
    assert told.client_kept
    client = await _client(service, audited)
    assert (client.ip, client.user_agent, client.request_id) == ("203.0.113.77", "canary/1.0", "canary-1")


async def test_it_is_erased_with_the_person(service: Service) -> None:
    """That of leaving itself as well; what an admin did comes from the admin, and stays."""
    ada, admin = a_user(), an_admin()
    await service.add(ada, admin)
    service.auth.passwords[ada.id] = "right"
    _come(service, admin)
    await service.users.UpdateUser(user_service_pb2.UpdateUserRequest(user_id=str(ada.id), full_name="A"))
    _come(service, ada)
    await service.users.UpdateMe(user_service_pb2.UpdateMeRequest(full_name="Countess"))
    await service.users.DeleteMe(user_service_pb2.DeleteMeRequest(password="right"))

    rows = await service.pool.fetch("SELECT person_id FROM users.audit_clients")
    assert {row["person_id"] for row in rows} == {admin.id}
    by_ada = [each for each in await _audit_events(service) if each.audit_recorded.actor_id == str(ada.id)]
    assert len(by_ada) == 2
    for event in by_ada:
        with pytest.raises(RemoteError) as caught:
            await _client(service, event)
        assert caught.value.reason == NotFound.reason


async def test_it_goes_with_its_event(service: Service) -> None:
    """A day after the event was published."""
    ada = a_user()
    await service.add(ada)
    _come(service, ada)
    await service.users.UpdateMe(user_service_pb2.UpdateMeRequest(full_name="Countess"))
    (event,) = await _audit_events(service)

    await service.pool.execute("DELETE FROM users.outbox WHERE event_id = $1", UUID(event.event_id))

    assert await service.pool.fetchval("SELECT count(*) FROM users.audit_clients") == 0
