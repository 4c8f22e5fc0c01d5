"""Events are believed when their source signed them, about its own matters, with times in bounds."""

import time

import pytest
from chassis.events import stream
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.signed_events import PURPOSE, EventRefused, publishers, verify_event
from chassis.ids import uuid7
from devstack.topology import SERVICES
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.events.v1.events_pb2 import AuditRecorded, Event, TokensRevoked, UserChanged

from tests.fakes.service_keys import SHARED_KEY, entry_of, service_keys

GATEWAY = service_keys("gateway")
DAY = 24 * 60 * 60
AUDIT = AuditRecorded(action="users.update", outcome="success")


def at(seconds: float) -> Timestamp:
    """Returns the time `seconds` from now."""
    return Timestamp(seconds=int(time.time() + seconds))


def verdict(fields: dict[bytes, bytes], keys: ServiceKeys = GATEWAY) -> str:
    """Returns why an entry is refused, or `believed`."""
    try:
        verify_event(keys, fields.get(stream.FIELD), fields.get(stream.SIGNATURE))
    except EventRefused as refused:
        return refused.reason
    return "believed"


@pytest.mark.parametrize(
    ("event", "signer", "expected"),
    [
        (Event(audit_recorded=AUDIT), "user-service", "believed"),
        (Event(tokens_revoked=TokensRevoked(user_id="u")), "auth-service", "believed"),
        (Event(tags=["user:u"]), "user-service", "believed"),
        # Another service's matter, under one's own name or under the other's.
        (Event(tokens_revoked=TokensRevoked(user_id="u")), "user-service", "source"),
        (
            Event(tokens_revoked=TokensRevoked(user_id="u"), source="auth-service"),
            "user-service",
            "signature",
        ),
        (Event(audit_recorded=AUDIT), "gateway", "source"),
        (Event(audit_recorded=AUDIT, source="user-service"), "gateway", "signature"),
        (Event(tags=["user:u"], source="unknown"), "user-service", "source"),
        (Event(user_changed=UserChanged(user_id="u"), source="user-service"), "stranger", "signature"),
        # Times that cannot be.
        (Event(audit_recorded=AUDIT, occurred_at=Timestamp(seconds=1_550_000_000)), "user-service", "old"),
        (Event(audit_recorded=AUDIT, occurred_at=Timestamp(seconds=2**62)), "user-service", "malformed"),
        # Ids that are none.
        (Event(event_id="not-a-uuid", audit_recorded=AUDIT), "user-service", "malformed"),
        (Event(event_id=str(uuid7())[:-1], audit_recorded=AUDIT), "user-service", "malformed"),
    ],
)
def test_who_is_believed(event: Event, signer: str, expected: str) -> None:
    """Only the service whose matter it is, by its own signature, now."""
    assert verdict(entry_of(event, signer)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (25, "believed"),
        (60, "future"),
        (10 * 365 * DAY, "future"),
        (-13 * DAY, "believed"),
        (-15 * DAY, "old"),
    ],
)
def test_when(seconds: float, expected: str) -> None:
    """From two weeks ago to what clocks may differ by."""
    event = Event(audit_recorded=AUDIT, occurred_at=at(seconds))

    assert verdict(entry_of(event, "user-service")) == expected


def test_unsigned_and_altered() -> None:
    """Access to Redis gives no key: forged and modified events are refused."""
    good = entry_of(Event(audit_recorded=AUDIT), "user-service")
    payload, signature = good[stream.FIELD], good[stream.SIGNATURE]

    assert verdict({stream.FIELD: payload}) == "unsigned"
    assert verdict({stream.FIELD: payload, stream.SIGNATURE: b""}) == "signature"
    assert verdict({stream.FIELD: payload + b"\x22\x01x", stream.SIGNATURE: signature}) == "signature"
    assert verdict({stream.SIGNATURE: signature}) == "malformed"
    assert verdict({stream.FIELD: b"\xff\xff", stream.SIGNATURE: signature}) == "malformed"
    assert verdict({stream.FIELD: b"\x22" + b"\xff" * 70_000}) == "malformed"


def test_signature_of_another_purpose() -> None:
    """What a service signed as something else is no event."""
    payload = entry_of(Event(audit_recorded=AUDIT), "user-service")[stream.FIELD]
    signed = service_keys("user-service").sign("heartbeat", payload)

    assert PURPOSE != "heartbeat"
    assert verdict({stream.FIELD: payload, stream.SIGNATURE: signed}) == "signature"


def test_last_release_during_an_upgrade() -> None:
    """It signs nothing: believed while the shared key is set, and even then not about others' matters."""
    upgrading = service_keys("gateway", shared_key=SHARED_KEY)
    fields = {stream.FIELD: entry_of(Event(audit_recorded=AUDIT), "user-service")[stream.FIELD]}
    others = Event(audit_recorded=AUDIT, source="gateway")

    assert verdict(fields, upgrading) == "believed"
    assert verdict(fields) == "unsigned"
    assert verdict({stream.FIELD: entry_of(others, "gateway")[stream.FIELD]}, upgrading) == "source"


def test_every_matter_is_somebodys() -> None:
    """Each member of an event's payload names Vestibule's services."""
    assert publishers()
    for member, services in publishers().items():
        assert services, member
        assert services <= {service.name for service in SERVICES}, member


def test_a_million_forgeries_cost_little() -> None:
    """What is unsigned or of another's matter is refused without a verification, which takes 70 µs."""
    good = entry_of(Event(audit_recorded=AUDIT), "user-service")
    fields = {stream.FIELD: good[stream.FIELD]}
    began = time.process_time()
    for _ in range(10_000):
        verdict(fields)

    assert time.process_time() - began < 0.5
