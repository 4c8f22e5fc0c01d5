"""The audit chain and the public keys, over gRPC on a real Postgres."""

from uuid import UUID

import asyncpg
import pytest
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.audit_client import COMMITMENT
from auth_service.transport.event_handlers import event_handlers
from chassis.errors import Forbidden, Invalid, RemoteError, Unavailable
from chassis.ids import uuid7
from chassis.postgres.pool import Pool
from devstack.database import Database as DevelopmentDatabase
from vestibule.auth.v1 import audit_service_pb2 as pb
from vestibule.auth.v1 import key_service_pb2
from vestibule.events.v1.events_pb2 import AuditRecorded, Event
from vestibule.users.v1 import directory_service_pb2, user_pb2

from tests.auth_service.local_service import ISSUER, a_service
from tests.auth_service.service import Service


async def _come_as_admin(service: Service) -> str:
    user_id = await service.register()
    service.directory.change(user_id, role=user_pb2.ROLE_ADMIN)
    await service.use_cases.accounts.sync_account(user_id=UUID(user_id), caller=a_service())
    service.come_as((await service.login()).access_token)
    return user_id


async def test_admins_read_the_trail(service: Service) -> None:
    """The newest first, filtered, in pages."""
    user_id = await _come_as_admin(service)

    answer = await service.audit.ListAuditEvents(pb.ListAuditEventsRequest(page_size=2))
    rest = await service.audit.ListAuditEvents(
        pb.ListAuditEventsRequest(page_size=2, cursor=answer.pagination.next_cursor)
    )
    logins = await service.audit.ListAuditEvents(
        pb.ListAuditEventsRequest(action="auth.login", actor_id=user_id)
    )

    assert [event.sequence for event in [*answer.events, *rest.events]] == [3, 2, 1]
    assert answer.pagination.total_items == 3
    assert not rest.pagination.has_next
    (login,) = logins.events
    assert (login.action, login.outcome, login.actor_id, login.ip) == (
        "auth.login",
        "success",
        user_id,
        "192.0.2.1",
    )
    assert len(login.hash) == 64


async def test_others_may_not(service: Service) -> None:
    """Nor see whether a filter is well made."""
    await service.register()
    service.come_as((await service.login()).access_token)

    with pytest.raises(RemoteError) as caught:
        await service.audit.ListAuditEvents(pb.ListAuditEventsRequest())
    assert caught.value.reason == Forbidden.reason


async def test_a_made_up_cursor_is_refused(service: Service) -> None:
    """On its field."""
    await _come_as_admin(service)

    with pytest.raises(RemoteError) as caught:
        await service.audit.ListAuditEvents(pb.ListAuditEventsRequest(cursor="nonsense"))
    assert caught.value.reason == Invalid.reason


async def test_a_client_is_fetched_from_who_kept_it(service: Service) -> None:
    """No event carries it; the release before sent it along; what is erased there is not known here."""
    record = event_handlers(service.use_cases.ports)
    ids = [str(uuid7()) for _ in range(3)]
    service.directory.audit_clients[ids[0]] = directory_service_pb2.GetAuditClientResponse(
        ip="192.0.2.9", user_agent="kept", request_id="mine"
    )
    entries = [
        AuditRecorded(action="users.update", outcome="success", client_kept=True),
        AuditRecorded(action="users.update", outcome="success", ip="192.0.2.8", user_agent="sent"),
        AuditRecorded(action="users.update", outcome="success", client_kept=True),
    ]
    for event_id, recorded in zip(ids, entries, strict=True):
        event = Event(event_id=event_id, source="user-service", audit_recorded=recorded)
        event.occurred_at.GetCurrentTime()
        await record["audit_recorded"](event)
    await _come_as_admin(service)

    found = await service.audit.ListAuditEvents(pb.ListAuditEventsRequest(action="users.update"))
    assert {(entry.ip, entry.user_agent, entry.request_id) for entry in found.events} == {
        ("192.0.2.9", "kept", "mine"),
        ("192.0.2.8", "sent", ""),
        ("", "", ""),
    }


async def test_an_entry_waits_while_its_client_may_not_be_fetched(service: Service) -> None:
    """As while service keys are replaced: the client would be missing for ever."""
    record = event_handlers(service.use_cases.ports)
    recorded = AuditRecorded(action="users.update", outcome="success", client_kept=True)
    event = Event(event_id=str(uuid7()), source="user-service", audit_recorded=recorded)
    event.occurred_at.GetCurrentTime()
    service.directory.failure = Forbidden()

    with pytest.raises(Unavailable):
        await record["audit_recorded"](event)

    assert await service.count("audit_events") == 0


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        ("auth.login", "success"),
        ("auth.key_retired", "success"),
        ("users.update", "weird"),
        ("users.update" * 100, "success"),
        ("users.\n", "success"),
        ("", "success"),
    ],
)
async def test_another_service_reports_only_its_own_actions(
    service: Service, action: str, outcome: str
) -> None:
    """However well it signs: an entry about a sign-in is auth-service's to make."""
    record = event_handlers(service.use_cases.ports)
    event = Event(event_id=str(uuid7()), source="user-service")
    event.audit_recorded.action, event.audit_recorded.outcome = action, outcome

    with pytest.raises(ValueError, match="audit entry"):
        await record["audit_recorded"](event)
    assert await service.count("audit_events") == 0


async def test_a_commitment_is_not_anothers_to_make(service: Service, pool: Pool) -> None:
    """It would say that there had been a client, and has been erased."""
    record = event_handlers(service.use_cases.ports)
    recorded = AuditRecorded(
        action="users.update", outcome="success", details={COMMITMENT: "00" * 32, "a": "b"}
    )
    event = Event(event_id=str(uuid7()), source="user-service", audit_recorded=recorded)
    event.occurred_at.GetCurrentTime()
    await record["audit_recorded"](event)

    assert await pool.fetchval("SELECT details::text FROM auth.audit_events") == '{"a": "b"}'


async def test_a_client_that_cannot_be_fetched_now_is_waited_for(service: Service) -> None:
    """The entry comes when user-service answers again: it is not written without its client."""
    record = event_handlers(service.use_cases.ports)
    recorded = AuditRecorded(action="users.update", outcome="success", client_kept=True)
    event = Event(event_id=str(uuid7()), source="user-service", audit_recorded=recorded)
    event.occurred_at.GetCurrentTime()
    service.directory.failure = Unavailable()

    with pytest.raises(Unavailable):
        await record["audit_recorded"](event)
    assert await service.count("audit_events") == 0


async def test_a_client_that_the_event_carries_too(service: Service) -> None:
    """During an upgrade. It stands in where the question is not understood, but not for what is erased."""
    record = event_handlers(service.use_cases.ports)

    def event() -> Event:
        recorded = AuditRecorded(action="users.update", outcome="success", client_kept=True)
        recorded.ip, recorded.user_agent, recorded.request_id = "192.0.2.8", "sent", "mine"
        made = Event(event_id=str(uuid7()), source="user-service", audit_recorded=recorded)
        made.occurred_at.GetCurrentTime()
        return made

    await record["audit_recorded"](event())
    service.directory.failure = Unavailable()
    await record["audit_recorded"](event())
    service.directory.failure = None
    await _come_as_admin(service)

    found = await service.audit.ListAuditEvents(pb.ListAuditEventsRequest(action="users.update"))
    assert {(entry.ip, entry.user_agent, entry.request_id) for entry in found.events} == {
        ("", "", ""),
        ("192.0.2.8", "sent", "mine"),
    }


async def test_the_chain_that_postgres_wrote_verifies(service: Service) -> None:
    """Both compute the same hash, whatever an entry holds."""
    record = event_handlers(service.use_cases.ports)
    for user_agent in ("", 'quote " and \\ back', "\u00e9\u4e2d\U0001f600", "line\nbreak\t\x7f", "nul\0"):
        recorded = AuditRecorded(action="users.update", outcome="success", user_agent=user_agent)
        recorded.details["emoji \U0001f600"] = "\u2028"
        event = Event(event_id=str(uuid7()), source="user-service", audit_recorded=recorded)
        event.occurred_at.GetCurrentTime()
        await record["audit_recorded"](event)
        await record["audit_recorded"](event)
    await _come_as_admin(service)

    report = await service.audit.VerifyAuditEvents(pb.VerifyAuditEventsRequest())

    assert (report.intact, report.events, report.HasField("first_broken")) == (True, 8, False)
    newest = (await service.audit.ListAuditEvents(pb.ListAuditEventsRequest(page_size=1))).events[0]
    assert report.head == newest.hash


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE auth.audit_events SET outcome = 'success' WHERE sequence = 3", 3),
        ("UPDATE auth.audit_events SET occurred_at = occurred_at + interval '1 us' WHERE sequence = 2", 2),
        ("DELETE FROM auth.audit_events WHERE sequence = 4", 4),
        ("DELETE FROM auth.audit_events WHERE sequence = 1", 1),
    ],
)
async def test_tampering_is_detected(
    service: Service, emptied_database: DevelopmentDatabase, tampering: str, broken: int
) -> None:
    """Even as the schema's owner."""
    await service.register()
    for _ in range(5):
        with pytest.raises(RemoteError):
            await service.login(password="wrong")
    owner = await asyncpg.connect(emptied_database.url("auth_owner"))
    await owner.execute(tampering)
    await owner.close()

    report = await service.use_cases.audit.verify_audit_events()

    assert (report.intact, report.first_broken) == (False, broken)


async def test_the_runtime_role_can_only_add(service: Service, pool: Pool) -> None:
    """Neither change an entry nor remove one, nor empty the table."""
    await service.register()

    for statement in (
        "UPDATE auth.audit_events SET outcome = 'x'",
        "DELETE FROM auth.audit_events",
        "TRUNCATE auth.audit_events",
        "DROP TABLE auth.audit_events",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)


async def test_the_keys_are_public(service: Service) -> None:
    """Without signing in, in OpenID Connect's form."""
    (key,) = (await service.keys.GetJwks(key_service_pb2.GetJwksRequest())).keys
    about = await service.keys.GetOpenidConfiguration(key_service_pb2.GetOpenidConfigurationRequest())

    assert (key.kty, key.crv, key.use, key.alg) == ("EC", "P-256", "sig", "ES256")
    assert about.issuer == ISSUER
    assert about.jwks_uri == f"{ISSUER}/.well-known/jwks.json"


@pytest.mark.usefixtures("service")
async def test_private_halves_are_sealed(pool: Pool) -> None:
    """What is stored is no key without the master key."""
    async with PostgresUnitsOfWork(pool).statements() as unit:
        (key,) = await unit.signing_keys.all()

    assert b"\x06\x07*\x86H\xce=" not in key.sealed_private_key
