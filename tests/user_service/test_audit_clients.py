"""The clients behind audit events: in no event, for auth-service only, erased with the user."""

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


def _sign_in(service: Service, user: User) -> None:
    """Makes the following calls those of an identifiable client."""
    caller = Caller(client_address="203.0.113.77", user_agent=f"{CANARY}/1.0", request_id=f"{CANARY}-1")
    enter(Call(caller=caller, bearer_token=service.auth.token(user.id, user.role)))


async def _audit_events(service: Service) -> list[Event]:
    return [event for event in await service.events() if event.HasField("audit_recorded")]


async def _client(service: Service, event: Event) -> pb.GetAuditClientResponse:
    return await service.directory.GetAuditClient(pb.GetAuditClientRequest(event_id=event.event_id))


async def test_no_event_contains_a_client(service: Service) -> None:
    """auth-service fetches it by the event's id."""
    ada = a_user()
    await service.add(ada)
    _sign_in(service, ada)
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


async def test_events_for_the_previous_release_contain_the_client(service: Service) -> None:
    """It cannot fetch the client."""
    ada = a_user()
    caller = Caller(
        user_id=ada.id, client_address="203.0.113.77", user_agent=f"{CANARY}/1.0", request_id=f"{CANARY}-1"
    )
    async with PostgresUnitsOfWork(service.pool, carries_clients=True).transaction() as unit:
        await unit.outbox.audit(entry(Action.UPDATE, caller, ada.id))

    (audited,) = await _audit_events(service)
    recorded = audited.audit_recorded
    assert (recorded.ip, recorded.user_agent, recorded.request_id) == (
        "203.0.113.77",
        "canary/1.0",
        "canary-1",
    )
    assert recorded.client_kept
    client = await _client(service, audited)
    assert (client.ip, client.user_agent, client.request_id) == ("203.0.113.77", "canary/1.0", "canary-1")


async def test_it_is_erased_with_the_user(service: Service) -> None:
    """Also that of the erasure itself; the clients of admins stay."""
    ada, admin = a_user(), an_admin()
    await service.add(ada, admin)
    service.auth.passwords[ada.id] = "right"
    _sign_in(service, admin)
    await service.users.UpdateUser(user_service_pb2.UpdateUserRequest(user_id=str(ada.id), full_name="A"))
    _sign_in(service, ada)
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


async def test_it_is_deleted_with_its_event(service: Service) -> None:
    """A day after the event was published."""
    ada = a_user()
    await service.add(ada)
    _sign_in(service, ada)
    await service.users.UpdateMe(user_service_pb2.UpdateMeRequest(full_name="Countess"))
    (event,) = await _audit_events(service)

    await service.pool.execute("DELETE FROM users.outbox WHERE event_id = $1", UUID(event.event_id))

    assert await service.pool.fetchval("SELECT count(*) FROM users.audit_clients") == 0
