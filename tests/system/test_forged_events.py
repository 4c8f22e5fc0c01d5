"""Events that are unsigned, or signed by the wrong service, are ignored; genuine ones are handled."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from chassis.events import dead_letters, stream
from chassis.identity.signed_events import sign_event
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.events.v1.events_pb2 import AuditRecorded, Event, TokensRevoked

from chassis import ids
from tests.system.client import Client, User
from tests.system.running_system import System
from tests.waiting import wait_for

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


@pytest.fixture(name="valkey")
def _valkey(system: System) -> Iterator[redis.Redis]:
    """The system's Redis; afterwards nothing there says that events were refused."""
    with redis.Redis.from_url(system.redis_url) as valkey:
        yield valkey
        ((last, _),) = valkey.xrevrange(stream.STREAM, count=1)
        wait_for(lambda: all(is_past(group, last) for group in valkey.xinfo_groups(stream.STREAM)))
        for group in valkey.xinfo_groups(stream.STREAM):
            name = group["name"].decode()
            valkey.delete(dead_letters.key(name), dead_letters.refused_key(name))


def is_past(group: dict[str, Any], last: bytes) -> bool:
    """Returns whether a consumer group has handled the entry and all before it."""
    return stream.order(group["last-delivered-id"]) >= stream.order(last) and group["pending"] == 0


def test_forged_events_change_nothing(system: System, client: Client, ada: User, valkey: redis.Redis) -> None:
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
    for fields in forged:
        valkey.xadd(stream.STREAM, fields)
    behind = client.register()

    wait_for(lambda: system.rows("SELECT 1 FROM auth.audit_events WHERE action = 'events.refused'"))
    assert client.get("/api/users/me", token=ada.access_token).status == 200
    assert client.get("/api/users/me", token=client.sign_in(behind).access_token).status == 200
    assert system.rows("SELECT count(*) FROM auth.audit_events WHERE action = 'forged.entry'") == [(0,)]

    def is_shown() -> bool:
        answer = client.get("/api/health")
        reported = {each["name"]: each for each in answer.data["components"]}["redis"]
        error = reported["error"] or ""
        return answer.data["status"] == "degraded" and "no service of ours signed" in error

    wait_for(is_shown)


def test_a_flood_of_forgeries_blocks_nothing(system: System, client: Client, valkey: redis.Redis) -> None:
    """A genuine event behind it is handled, and the audit log does not grow with it."""
    audit = AuditRecorded(action="forged.entry", outcome="success")
    forged = entry(system, Event(source="user-service", audit_recorded=audit), None)
    refused = "SELECT count(*) FROM auth.audit_events WHERE action = 'events.refused'"
    ((before,),) = system.rows(refused)
    began = time.monotonic()
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

    wait_for(lambda: system.rows(renamed) == [(1,)], within_seconds=60 + FORGED / 1000)
    late = time.monotonic() - pushed
    print(f"{FORGED} forged in {pushed - began:.1f} s, a true event behind them {late:.1f} s later")  # noqa: T201 for -s
    ((after,),) = system.rows(refused)
    assert after - before <= 60
