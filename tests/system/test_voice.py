"""Speech through the gateway, by the contract, with a real detector, recognizer and voice behind it."""

import asyncio
import io
import json
import time
import wave
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from chassis.ids import uuid7
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.collector import Collector
from tests.fakes.chat_server import ChatServer, writes
from tests.leaks import leaks
from tests.system.client import Client, User
from tests.system.running_system import System
from tests.system.test_canaries import outputs, stored
from tests.voice_service.speech import SILENCE, frames, recording
from tests.waiting import wait_for

START = {"start": {"sample_rate": 16000, "language": "en"}}
FINISH: dict[str, Any] = {"finish": {}}
GUIDELINE = "Anticoagulation prevents strokes in atrial fibrillation."
SPOKEN = "Take one tablet in the morning. Do not take more than two."


@pytest.fixture(scope="module", name="speaker")
def _speaker(client: Client) -> User:
    """A user with a document, who speaks."""
    user = client.join()
    document = {"title": "Guideline", "text": GUIDELINE}
    put = client.put(f"/api/knowledge/documents/{uuid7()}", token=user.access_token, json=document)
    assert put.status == 201, put.text
    return user


def connected(client: Client, user: User, call: str) -> ClientConnection:
    """Returns a new WebSocket."""
    return connect(
        f"{client.url.replace('http', 'ws', 1)}/api/voice/{call}",
        additional_headers={"Authorization": f"Bearer {user.access_token}"},
        compression=None,
        proxy=None,
        legacy=True,
        close_timeout=2,
    )


def opened(client: Client, user: User, call: str) -> ClientConnection:
    """Returns a new WebSocket, as soon as the slot of the one before it is free."""

    def opening() -> ClientConnection | None:
        try:
            return connected(client, user, call)
        except InvalidStatus as refused:
            if refused.response.status_code != 429:
                raise
            return None

    return wait_for(opening)


def send(socket: ClientConnection, *messages: Any) -> None:
    """Sends messages: audio in frames, everything else as JSON."""
    for message in messages:
        for frame in frames(message) if isinstance(message, bytes) else (json.dumps(message),):
            socket.send(frame)


def received(socket: ClientConnection, until: str | None = None) -> Iterator[tuple[str, Any]]:
    """Yields each event's name and data, to the end or to the first event of that name."""
    try:
        while True:
            message = socket.recv(timeout=60)
            name, data = ("audio", message) if isinstance(message, bytes) else _event(message)
            yield name, data
            if name == until:
                return
    except ConnectionClosed:
        return


def _event(message: str) -> tuple[str, Any]:
    ((name, data),) = json.loads(message).items()
    return name, data


def of_name(events: Iterable[tuple[str, Any]], name: str) -> list[Any]:
    """Returns the data of the events of that name."""
    return [data for each, data in events if each == name]


@pytest.mark.nightly
def test_speech_becomes_text(client: Client, speaker: User, system: System) -> None:
    """Two utterances with silence between them; the session is audited by id, length and outcome."""
    with opened(client, speaker, "transcribe") as socket:
        send(socket, START, SILENCE, recording(2), SILENCE, recording(4), SILENCE, FINISH)
        events = list(received(socket))

    names = [name for name, _ in events]
    (started,), finals, (ended,) = (of_name(events, each) for each in ("started", "final", "ended"))
    assert (names[0], names[-1], socket.close_code) == ("started", "ended", 1000)
    assert names.count("speech_began") == len(finals) == 2
    assert "140 over 90" in finals[0]["text"]
    assert "pneumonia" in finals[1]["text"]
    assert 0 < finals[0]["begin_ms"] < finals[0]["end_ms"] <= finals[1]["begin_ms"]
    assert names.index("partial") < names.index("final")
    (entry,) = audited(system, started["session_id"])
    assert (entry["outcome"], entry["details"]["audio_ms"]) == ("success", str(ended["audio_ms"]))


def audited(system: System, session_id: str) -> list[dict[str, Any]]:
    """Returns the audit's entries of a session."""
    rows = wait_for(
        lambda: system.rows(
            "SELECT to_jsonb(a)::text FROM auth.audit_events AS a WHERE a::text LIKE $1", f"%{session_id}%"
        )
    )
    return [json.loads(entry) for (entry,) in rows]


def test_silence_has_no_text(client: Client, speaker: User) -> None:
    with opened(client, speaker, "transcribe") as socket:
        send(socket, START, SILENCE * 4, FINISH)
        events = list(received(socket))

    assert [name for name, _ in events] == ["started", "ended"]
    assert of_name(events, "ended") == [{"audio_ms": 4000}]


def test_text_becomes_speech(client: Client, speaker: User) -> None:
    """A WAV file whose first bytes come before its last ones are made."""
    with httpx.stream(
        "POST",
        f"{client.url}/api/voice/speak",
        headers={"Authorization": f"Bearer {speaker.access_token}"},
        json={"text": SPOKEN},
        timeout=30,
    ) as response:
        parts = list(response.iter_raw())
        assert (response.status_code, response.headers["content-type"]) == (200, "audio/wav")
        assert "content-length" not in response.headers

    with wave.open(io.BytesIO(b"".join(parts))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        seconds = len(file.readframes(file.getnframes())) / 2 / 22_050
    assert len(parts) > 1
    assert 2 < seconds < 15


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": SPOKEN, "voice": "no-such-voice"}, "voice"),
        ({"text": "a control character: \a"}, "text"),
        ({"text": "a control character: \x85"}, "text"),
        ({"text": "[1]"}, "text"),
        ({"text": ""}, "text"),
        ({"text": "a" * 2001}, "text"),
        ({"text": "…"}, "text"),
    ],
)
def test_what_cannot_be_spoken(client: Client, speaker: User, body: dict[str, str], field: str) -> None:
    refused = client.post("/api/voice/speak", token=speaker.access_token, json=body)

    assert refused.outcome == (422, "VALIDATION_ERROR")
    assert refused.fields == {field}


@pytest.mark.nightly
def test_a_spoken_question_has_a_spoken_answer(
    client: Client, speaker: User, chat_server: ChatServer, system: System, collector: Collector
) -> None:
    """Transcript, tokens, a citation and audio; and nothing that is written or stored has what was said."""
    chat_server.script = writes("Anticoagulation prevents strokes [1].", " Ask your doctor first.")

    with opened(client, speaker, "converse") as socket:
        send(socket, START, recording(6), SILENCE, FINISH)
        events = list(received(socket))

    (transcript,), (answered,) = of_name(events, "transcript"), of_name(events, "answered")
    answer = "".join(each["text"] for each in of_name(events, "token"))
    rate = of_name(events, "started")[0]["sample_rate"]
    assert answer == "Anticoagulation prevents strokes [1]. Ask your doctor first."
    assert [each["number"] for each in of_name(events, "citation")] == [1]
    assert len(b"".join(of_name(events, "audio"))) > 2 * rate
    assert events[-1][0] == "ended"
    assert 0 < answered["transcript_ms"] <= answered["first_token_ms"] <= answered["first_audio_ms"]
    said = {"question": transcript["text"], "answer": "Ask your doctor first"}
    assert leaks(outputs(system, collector), said) == []
    assert leaks(stored_rows(system), said) == []
    assert leaks(asyncio.run(stored(system.redis_url)), said) == []


def stored_rows(system: System) -> Iterator[tuple[str, bytes]]:
    """Yields every table of the services with all of its rows, as a dump of the database has them."""
    tables = system.rows(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    assert len(tables) > 20
    for schema, table in tables:
        rows = system.rows(f'SELECT to_jsonb(t)::text FROM "{schema}"."{table}" AS t')
        yield f"{schema}.{table}", "\n".join(row for (row,) in rows).encode()


@pytest.mark.nightly
def test_speaking_cuts_the_answer_off(client: Client, speaker: User, chat_server: ChatServer) -> None:
    """Soon (`make bench-voice` measures it), with what was spoken and what was not; no audio follows."""
    chat_server.script = writes(*(f"This is sentence number {number} of many. " for number in range(30)))

    with opened(client, speaker, "converse") as socket:
        send(socket, START, recording(6), SILENCE)
        list(received(socket, until="audio"))
        time.sleep(3)
        send(socket, recording(8), SILENCE)
        *before, (_, cleared) = received(socket, until="cleared")
        after = list(received(socket, until="transcript"))

    assert cleared["took_ms"] <= 1000
    assert cleared["spoken"].startswith("This is sentence number 0")
    assert "number 29" not in cleared["spoken"]
    assert cleared["cut_off"].startswith("This is sentence number")
    assert of_name(before, "answered") == of_name(after, "audio") == []


@pytest.mark.nightly
def test_a_lost_service_is_an_error(client: Client, speaker: User, system: System) -> None:
    """The client of a conversation whose knowledge-service is away gets `error`, then 1013."""
    with opened(client, speaker, "converse") as socket, system.without("knowledge-service"):
        send(socket, START, recording(6), SILENCE)
        events = list(received(socket))

    assert events[-1][0] == "error", (events[-5:], socket.close_code, socket.close_reason)
    assert events[-1][1]["code"] == "UNAVAILABLE"
    assert (socket.close_code, socket.close_reason) == (1013, "UNAVAILABLE")
