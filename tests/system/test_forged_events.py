"""Events that are unsigned, or signed by the wrong service, are ignored; genuine ones are handled."""

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Any

import redis
from chassis.events import dead_letters, stream
from chassis.identity.signed_events import sign_event
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.events.v1.events_pb2 import AuditRecorded, Event, TokensRevoked

from chassis import ids
from tests.chassis.waiting import until
from tests.system.client import Client, User
from tests.system.running_system import System

FORGED = int(os.environ.get("FORGED", "2000"))
"""How many forged entries the flood has; set FORGED=1000000 for the full measurement."""


def entry(system: System, event: Event, signer: str | None) -> dict[Any, Any]:
    """Returns the stream entry of an event, signed by a service or not at all."""
    event.event_id = str(ids.uuid7())
    if not event.HasField("occurred_at"):
        event.occurred_at.GetCurrentTime()
    payload = event.SerializeToString()
    signature = {} if signer is None else {stream.SIGNATURE: sign_event(system.service_keys(signer), payload)}
    return {stream.FIELD: payload, **signature}


def test_forged_events_change_nothing(system: System, client: Client, ada: User) -> None:
    """Unsigned, by another service, from 2019, until 2^62: none is recorded, ends a session or blocks."""
    long_ago = Timestamp()
    long_ago.FromDatetime(datetime(2019, 1, 1, tzinfo=UTC))
    audit = AuditRecorded(action="forged.entry", outcome="success")
    for_ever = TokensRevoked(user_id=ada.id, issued_until_milliseconds=2**62, expires_at_milliseconds=2**62)
    now = int(time.time() * 1000)
    revoked = TokensRevoked(
        user_id=ada.id, issued_until_milliseconds=now, expires_at_milliseconds=now + 900_000
    )
    forged = [
        entry(system, Event(source="user-service", audit_recorded=audit), None),
        entry(system, Event(source="user-service", audit_recorded=audit), "gateway"),
        entry(system, Event(source="gateway", audit_recorded=audit), "gateway"),
        entry(
            system, Event(source="user-service", audit_recorded=audit, occurred_at=long_ago), "user-service"
        ),
        entry(system, Event(source="auth-service", tokens_revoked=revoked), None),
        entry(system, Event(source="auth-service", tokens_revoked=revoked), "user-service"),
        entry(system, Event(source="user-service", tokens_revoked=revoked), "user-service"),
        entry(system, Event(source="auth-service", tokens_revoked=for_ever), "auth-service"),
        {stream.FIELD: b"\xff\xff"},
    ]
    with redis.Redis.from_url(system.redis_url) as valkey:
        for fields in forged:
            valkey.xadd(stream.STREAM, fields)
    behind = client.register()

    async def is_audited() -> bool:
        found = "SELECT count(*) FROM auth.audit_events WHERE action = 'events.refused'"
        return await asyncio.to_thread(system.rows, found) != [(0,)]

    asyncio.run(until(is_audited, seconds=10))
    assert client.get("/api/users/me", token=ada.access_token).status == 200
    assert client.get("/api/users/me", token=client.sign_in(behind).access_token).status == 200
    assert system.rows("SELECT count(*) FROM auth.audit_events WHERE action = 'forged.entry'") == [(0,)]

    async def is_shown() -> bool:
        answer = await asyncio.to_thread(client.get, "/api/health")
        reported = {each["name"]: each for each in answer.data["components"]}["redis"]
        error = reported["error"] or ""
        return answer.data["status"] == "degraded" and "no service of ours signed" in error

    try:
        asyncio.run(until(is_shown, seconds=30))
    finally:
        with redis.Redis.from_url(system.redis_url) as valkey:
            for service in ("auth-service", "user-service"):
                valkey.delete(dead_letters.key(service), dead_letters.refused_key(service))


def test_a_flood_of_forgeries_blocks_nothing(system: System, client: Client) -> None:
    """A genuine event behind it is handled, and the audit log does not grow with it."""
    audit = AuditRecorded(action="forged.entry", outcome="success")
    forged = entry(system, Event(source="user-service", audit_recorded=audit), None)
    refused = "SELECT count(*) FROM auth.audit_events WHERE action = 'events.refused'"
    ((before,),) = system.rows(refused)
    began = time.monotonic()
    with redis.Redis.from_url(system.redis_url) as valkey:
        for done in range(0, FORGED, 1000):
            with valkey.pipeline(transaction=False) as pipeline:
                for _ in range(min(1000, FORGED - done)):
                    pipeline.xadd(stream.STREAM, forged, maxlen=100_000, approximate=True)
                pipeline.execute()
    pushed = time.monotonic()
    user = client.join()
    assert client.put("/api/users/me", token=user.access_token, json={"full_name": "Ada King"}).status == 200
    renamed = (
        f"SELECT count(*) FROM auth.audit_events WHERE action = 'users.update' AND subject_id = '{user.id}'"
    )

    async def is_audited() -> bool:
        return await asyncio.to_thread(system.rows, renamed) == [(1,)]

    asyncio.run(until(is_audited, seconds=30 + FORGED / 1000))
    late = time.monotonic() - pushed
    print(f"{FORGED} forged in {pushed - began:.1f} s, a true event behind them {late:.1f} s later")  # noqa: T201 for -s
    ((after,),) = system.rows(refused)
    assert after - before <= 60
    with redis.Redis.from_url(system.redis_url) as valkey:
        for service in ("auth-service", "user-service"):
            valkey.delete(dead_letters.key(service), dead_letters.refused_key(service))
