"""Answers with citations, by the contract, with a language model that really streams."""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from chassis.ids import uuid7

from tests.collector import Collector
from tests.fakes.chat_server import ChatServer, event, writes
from tests.leaks import leaks
from tests.system.client import Client, User
from tests.system.running_system import System
from tests.system.test_canaries import outputs
from tests.waiting import wait_for

MARK = f"w{secrets.token_hex(8)}"
"""Only one document has this word: others may be shared with every user."""

TEXT = f"Grapefruit juice raises the level of warfarin in the blood. {MARK}"
QUERY = f"Can I eat grapefruit with warfarin? {MARK}"

Event = tuple[str, Any]


@pytest.fixture(scope="module", name="reader")
def _reader(client: Client) -> User:
    """A user with a document."""
    user = client.join()
    put = client.put(
        f"/api/knowledge/documents/{uuid7()}",
        token=user.access_token,
        json={"title": "Warfarin", "text": TEXT},
    )
    assert put.status == 201, put.text
    return user


@contextmanager
def asked(client: Client, user: User, query: str = QUERY, **headers: str) -> Iterator[httpx.Response]:
    """Opens an answer."""
    with httpx.stream(
        "POST",
        f"{client.url}/api/knowledge/answer",
        headers={"Authorization": f"Bearer {user.access_token}", **headers},
        json={"query": query},
        timeout=30,
    ) as response:
        yield response


def events(response: httpx.Response) -> Iterator[Event]:
    """Yields name and data of each event."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_an_answer(client: Client, reader: User, chat_server: ChatServer) -> None:
    """Passages, tokens, citations, end: as events by default."""
    chat_server.script = writes("It raises", " it [", "1] [", "21]", ".")

    with asked(client, reader) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        found = list(events(response))

    (first, passages), *rest = found
    passage, *_ = passages.pop("passages")
    assert (first, passages) == ("passages", {"degraded": False})
    assert passage.pop("score") > 0
    place = {"document_id": passage["document_id"], "begin": 0, "end": len(TEXT)}
    assert passage == {"number": 1, "title": "Warfarin", "text": TEXT, "source_url": None, **place}
    assert rest == [
        ("token", {"text": "It raises"}),
        ("token", {"text": " it"}),
        ("token", {"text": " [1]"}),
        ("citation", {"number": 1, **place}),
        ("token", {"text": "."}),
        ("end", {"reason": "finished"}),
    ]


def test_lines_of_json(client: Client, reader: User, chat_server: ChatServer) -> None:
    """When `Accept` says so."""
    chat_server.script = writes("Yes.")

    with asked(client, reader, Accept="application/x-ndjson") as response:
        found = [json.loads(line) for line in response.iter_lines() if line]

    assert [each["event"] for each in found] == ["passages", "token", "end"]


def test_tokens_come_as_they_are_written(client: Client, reader: User, chat_server: ChatServer) -> None:
    """Passages before the model has written, and each token before the next one exists."""
    go_on = threading.Event()

    async def script(request: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        for word in ("one", "two", "three"):
            while not go_on.is_set():  # noqa: ASYNC110 set by another thread
                await asyncio.sleep(0.01)
            go_on.clear()
            yield event(word)
        yield event(finish="stop")

    chat_server.script = script
    with asked(client, reader) as response:
        coming = events(response)
        assert next(coming)[0] == "passages"
        for word in ("one", "two", "three"):
            go_on.set()
            assert next(coming) == ("token", {"text": word})
        assert next(coming)[0] == "end"


@pytest.mark.parametrize("status", [200, 500])
def test_a_model_that_fails(client: Client, reader: User, chat_server: ChatServer, status: int) -> None:
    """An error after the passages, as the contract's object."""
    chat_server.script = writes("Half", finish=None)
    chat_server.status = status
    try:
        with asked(client, reader) as response:
            (first, _), *between, (last, error) = events(response)
    finally:
        chat_server.status = 200

    assert (first, last, error["code"]) == ("passages", "error", "UNAVAILABLE")
    assert between == ([("token", {"text": "Half"})] if status == 200 else [])


def test_leaving_stops_the_model(client: Client, reader: User, chat_server: ChatServer) -> None:
    """Within a second of the client's leaving, the model sees its connection closed."""
    chat_server.script = writes(*["word "] * 5000, pause_seconds=0.02)
    chat_server.left.clear()
    with asked(client, reader) as response:
        coming = events(response)
        assert [next(coming)[0] for _ in range(3)] == ["passages", "token", "token"]
        left_at = time.monotonic()

    wait_for(lambda: chat_server.left)
    assert chat_server.left[0] - left_at < 1


@pytest.mark.parametrize("query", ["", "x" * 1001, None, 5])
def test_bad_questions(client: Client, reader: User, query: object) -> None:
    """Are ordinary errors."""
    answer = client.post("/api/knowledge/answer", token=reader.access_token, json={"query": query})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {"query"}


def test_who_is_not_signed_in(client: Client) -> None:
    """Is refused before anything is sent."""
    assert client.post("/api/knowledge/answer", json={"query": QUERY}).outcome == (401, "UNAUTHENTICATED")


def test_no_output_has_the_question_or_the_answer(
    client: Client, system: System, chat_server: ChatServer, collector: Collector
) -> None:
    """Neither logs nor traces nor metrics, also when the model fails."""
    canaries = {name: f"canary{secrets.token_hex(8)}" for name in ("query", "passage", "token")}
    user = client.join()
    client.put(
        f"/api/knowledge/documents/{uuid7()}",
        token=user.access_token,
        json={"title": canaries["passage"], "text": f"{TEXT} {canaries['passage']}"},
    )
    trace = secrets.token_hex(16)
    for finish in ("stop", None, "garbage"):
        chat_server.script = writes(canaries["token"], finish=finish)
        with asked(
            client,
            user,
            query=f"{QUERY} {canaries['query']}",
            traceparent=f"00-{trace}-{secrets.token_hex(8)}-01",
        ) as response:
            found = list(events(response))
        assert canaries["token"] in str(found)
        assert canaries["passage"] in str(found)

    assert canaries["query"] in str(chat_server.requests[-1])
    collector.wait_for(trace, lambda spans: len({span.service for span in spans}) > 1)
    assert leaks(outputs(system, collector), canaries) == []
