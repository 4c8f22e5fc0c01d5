"""Whatever bytes come over the wire or off the stream are read, or refused as what they are."""

from contextlib import suppress

import grpc
import pytest
from chassis.errors import Invalid, ServiceError
from chassis.events import stream
from chassis.grpc import committed, errors
from chassis.grpc.constraints import compile_validator
from chassis.identity.signed_events import EventRefused, verify_event
from gateway.api.descriptors import load
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from hypothesis import example, given
from hypothesis import strategies as st
from vestibule.events.v1 import events_pb2

from tests.fakes.service_keys import SHARED_KEY, entry_of, service_keys

KEYS = service_keys("gateway")
REQUESTS = [
    (GetMessageClass(method.input_type), compile_validator(method.input_type))
    for service in load().services
    for method in service.methods
]

EVENTS = st.one_of(
    st.builds(
        events_pb2.Event,
        event_id=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        registration_started=st.builds(
            events_pb2.RegistrationStarted,
            user_id=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        ),
    ),
    st.builds(events_pb2.Event),
)


@st.composite
def wire_bytes(draw: st.DrawFn) -> bytes:
    """Draws bytes of an event that have been cut, stuffed or made up."""
    raw = bytearray(draw(EVENTS).SerializeToString())
    for _ in range(draw(st.integers(0, 4))):
        position = draw(st.integers(0, len(raw)))
        raw[position : position + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(raw)


@given(wire_bytes() | st.binary(max_size=200))
@example(b"")
@example(b"\x0a\xff\xff\xff\xff\x0f")
def test_an_entry_holds_an_event_or_says_that_it_does_not(payload: bytes) -> None:
    """Readers pass over what is none by this one error, and go on; the last release's too."""
    for keys in (KEYS, service_keys("gateway", shared_key=SHARED_KEY)):
        try:
            event = verify_event(keys, payload, None)
        except EventRefused:
            continue
        assert keys.shared_key is not None
        assert verify_event(keys, event.SerializeToString(), None) == event


@given(st.binary(max_size=100))
def test_any_signature(signature: bytes) -> None:
    """Bytes that are no signature are refused, whatever they are."""
    payload = entry_of(events_pb2.Event(tags=["a"]), "user-service")[stream.FIELD]
    with pytest.raises(EventRefused, match="signature"):
        verify_event(KEYS, payload, signature)


@given(wire_bytes() | st.binary(max_size=200))
def test_events_that_an_answer_brings(value: bytes) -> None:
    """Are noted when they are some, and otherwise not missed: the stream brings them too."""
    collected = committed.collect()
    committed.note_encoded(value, KEYS)
    assert all(isinstance(each.event, events_pb2.Event) for each in collected)


@given(st.sampled_from(list(grpc.StatusCode)), st.binary(max_size=200))
def test_any_details_of_an_error(code: grpc.StatusCode, value: bytes) -> None:
    """An arbitrary status still decodes to one of our errors."""
    trailing = grpc.aio.Metadata((errors.DETAILS_KEY, value))
    assert isinstance(errors.decode(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing)), ServiceError)


@given(st.sampled_from(REQUESTS), st.binary(max_size=300))
def test_any_bytes_for_a_request(request_type: tuple[type, object], raw: bytes) -> None:
    """Every request of every service: no message, a wrong one that is refused, or a good one."""
    message_class, validate = request_type
    try:
        message = message_class.FromString(raw)  # type: ignore[attr-defined]
    except DecodeError:
        return
    if callable(validate):
        with suppress(Invalid):
            validate(message)


def test_an_entry_without_an_event() -> None:
    """Is none."""
    with pytest.raises(EventRefused, match="malformed"):
        verify_event(KEYS, None, None)
