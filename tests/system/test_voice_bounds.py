"""What a client may send to a session of speech, how much of it, and for how long."""

import base64
import json
import secrets
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from voice_service.usecases.sessions import SESSIONS_MAX
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.system.client import Client, User
from tests.system.running_system import System
from tests.system.test_voice import FINISH, START, audited, connected, of_name, opened, received, send
from tests.voice_service.speech import SILENCE, frames, recording
from tests.waiting import wait_for


@pytest.fixture(scope="module", name="speaker")
def _speaker(client: Client) -> User:
    return client.join()


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([{"start": {"sample_rate": 44100}}], "start.sample_rate"),
        ([{"start": {"sample_rate": 16000, "language": "xx"}}], "start.language"),
        ([START, START], "start"),
        ([START, b"\0" * 321], "audio"),
        ([START, b"RIFF\0\0\0\0WAVEfmt "], "audio"),
        ([START, bytes(320), b"RIFF\0\0\0\0WA"], "audio"),
        ([START, {"audio": base64.b64encode(bytes(321)).decode()}], "audio"),
        ([b"\0" * 320], "start"),
        ([FINISH], "start"),
        # Refused by the gateway:
        ([{"start": {"sample_rate": 16000, "language": "English"}}], None),
        ([{"start": {}}], None),
        ([{"start": {"sample_rate": 0}}], None),
    ],
)
@pytest.mark.parametrize("call", ["transcribe", "converse"])
def test_wrong_messages_close_the_session(
    client: Client, speaker: User, call: str, messages: list[Any], field: str | None
) -> None:
    """After an `error` that names the field, where the service refuses."""
    with opened(client, speaker, call) as socket:
        for message in messages:
            socket.send(message if isinstance(message, bytes) else json.dumps(message))
        errors = of_name(received(socket), "error")

    assert [(each["code"], each["field"]) for each in errors] == (
        [] if field is None else [("VALIDATION_ERROR", field)]
    )
    assert (socket.close_code, socket.close_reason) == (1007, "VALIDATION_ERROR")


def test_audio_beyond_the_bound_waits(client: Client, speaker: User) -> None:
    """A minute of audio at once: the part over 30 s is taken in four times as fast as it was spoken."""
    began = time.monotonic()
    with opened(client, speaker, "transcribe") as socket:
        send(socket, START, SILENCE * 42, FINISH)
        assert of_name(received(socket), "ended") == [{"audio_ms": 42_000}]

    assert time.monotonic() - began > 2.5


def test_sessions_per_user_are_bounded(client: Client, speaker: User) -> None:
    with opened(client, speaker, "converse"), pytest.raises(InvalidStatus, match="429"):
        connected(client, speaker, "converse")


def refusal(client: Client, user: User, call: str) -> int | None:
    """Returns the status that refuses a session, or the code that closes it: a slow refusal comes later."""
    try:
        with connected(client, user, call) as socket:
            assert [name for name, _ in received(socket)] == []
            return socket.close_code
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.nightly
def test_sessions_per_process_are_bounded(client: Client, speaker: User) -> None:
    """A hundred, of 50 API keys with two each. One more is refused by HTTP, until another one ends."""
    owner = client.join(proven=True)
    with ExitStack() as stack:
        for number in range(SESSIONS_MAX // 2):
            asked = {"name": f"Phone {number}", "scopes": ["write"]}
            key = client.post("/api/auth/api-keys", token=owner.access_token, json=asked).data["key"]
            for _ in range(2):
                last = stack.enter_context(connected(client, replace(owner, access_token=key), "transcribe"))
        for call in ("transcribe", "converse"):
            assert refusal(client, speaker, call) in (503, 1013)
        spoken = client.post("/api/voice/speak", token=speaker.access_token, json={"text": "Hello."})
        assert spoken.outcome == (503, "UNAVAILABLE")
        assert int(spoken.headers["Retry-After"]) > 0
        last.close()

        def opens() -> bool:
            with suppress(InvalidStatus, ConnectionClosed), connected(client, owner, "transcribe") as socket:
                send(socket, START, FINISH)
                return of_name(received(socket), "ended") != []
            return False

        wait_for(opens)


@pytest.mark.parametrize(
    ("frame", "outcome"),
    [
        ("{", (1007, "INVALID_JSON")),
        ("hello", (1007, "INVALID_JSON")),
        (json.dumps({"audio": "no base64!"}), (1007, "VALIDATION_ERROR")),
        (json.dumps({"audio": [0, 0]}), (1007, "VALIDATION_ERROR")),
        (json.dumps({"stop": {}}), (1007, "VALIDATION_ERROR")),
        (bytes(32_770), (1009, "PAYLOAD_TOO_LARGE")),
        (bytes(5_000_000), (1009, "PAYLOAD_TOO_LARGE")),
    ],
    ids=["cut", "no JSON", "no base64", "a list", "unknown", "large", "very large"],
)
def test_frames_that_are_no_messages(
    client: Client, speaker: User, frame: str | bytes, outcome: tuple[int, str]
) -> None:
    with opened(client, speaker, "transcribe") as socket:
        send(socket, START)
        with suppress(ConnectionClosed):  # it may be refused by its head already
            socket.send(frame)
        list(received(socket))

    assert (socket.close_code, socket.close_reason) == outcome


def test_audio_in_text_frames_is_audio(client: Client, speaker: User) -> None:
    """The JSON form of a message: base64."""
    with opened(client, speaker, "transcribe") as socket:
        send(
            socket, START, *({"audio": base64.b64encode(frame).decode()} for frame in frames(SILENCE)), FINISH
        )
        assert of_name(received(socket), "ended") == [{"audio_ms": 1000}]


def test_a_flood_of_tiny_frames_waits(client: Client, speaker: User) -> None:
    """3,000 at once, then 400 per second."""
    began = time.monotonic()
    with opened(client, speaker, "transcribe") as socket:
        send(socket, START)
        for _ in range(4200):
            socket.send(bytes(2))
        send(socket, FINISH)
        assert of_name(received(socket), "ended") == [{"audio_ms": 262}]

    assert time.monotonic() - began > 2.5


def test_a_revoked_token_ends_the_session(client: Client, system: System) -> None:
    """Signing out, while speaking: within a second or two, and the session is audited as far as it went."""
    user = client.join()
    with opened(client, user, "transcribe") as socket:
        send(socket, START, recording(2)[:64_000])
        started = next(data for name, data in received(socket) if name == "started")
        list(zip(received(socket), range(1), strict=False))
        revoked_at = time.monotonic()
        client.post("/api/auth/logout", token=user.access_token)
        list(received(socket))
        took = time.monotonic() - revoked_at

    assert (socket.close_code, socket.close_reason) == (4401, "TOKEN_REVOKED")
    assert took < 5
    (entry,) = audited(system, started["session_id"])
    assert (entry["outcome"], entry["details"]["ended_by"]) == ("success", "client_left")


def test_a_made_up_token_opens_nothing(client: Client, speaker: User) -> None:
    """Nor does one in the URL."""
    stranger = User(speaker.id, speaker.email, "", "", secrets.token_hex(20))
    for call in ("transcribe", "converse", f"transcribe?access_token={speaker.access_token}"):
        with pytest.raises(InvalidStatus, match="401"):
            connected(client, stranger, call)
