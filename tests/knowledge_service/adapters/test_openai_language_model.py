"""The language model over HTTP, against a real server that streams as the test says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from knowledge_service.adapters.openai_language_model import (
    LINE_BYTES_MAX,
    REFUSALS_MAX,
    OpenAILanguageModel,
    open_openai_language_model,
)
from knowledge_service.domain.language_model import (
    AnswerTooLong,
    LanguageModelTooSlow,
    LanguageModelUnavailable,
    Prompt,
)

from tests.fakes.chat_server import ChatServer, Script, event, writes
from tests.waiting import SLOW_MACHINE_SECONDS

PROMPT = Prompt("Answer.", "Question: what?", 2)


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[ChatServer]:
    server = ChatServer()
    listening = await server.start()
    yield server
    listening.close()


@pytest.fixture(name="model")
async def _model(server: ChatServer) -> AsyncIterator[OpenAILanguageModel]:
    async with open_openai_language_model(
        server.url, api_key="secret-key", model="some-model", max_tokens=100
    ) as model:
        yield model


async def written(model: OpenAILanguageModel) -> list[str]:
    """All parts of an answer."""
    return [part async for part in model.write(PROMPT)]


def sends(*parts: bytes) -> Script:
    """Returns the script of a server that sends these bytes."""

    async def script(request: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        for part in parts:
            yield part
            await asyncio.sleep(0)

    return script


async def test_it_asks_as_the_interface_says(model: OpenAILanguageModel, server: ChatServer) -> None:
    """With the key, bounded, and without any tool."""
    await written(model)

    ((head, request),) = server.requests
    assert head.startswith("POST /v1/chat/completions ")
    assert "authorization: bearer secret-key" in head.lower()
    assert request == {
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": "Question: what?"},
        ],
        "stream": True,
        "temperature": 0,
        "max_completion_tokens": 100,
    }


async def test_parts_come_as_they_are_written(model: OpenAILanguageModel, server: ChatServer) -> None:
    """The first one while the model still writes."""
    go_on = asyncio.Event()

    async def script(request: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        yield event("Grape")
        await go_on.wait()
        yield event("fruit")
        yield event(finish="stop")

    server.script = script
    async with aclosing(model.write(PROMPT)) as parts:
        assert await anext(parts) == "Grape"
        go_on.set()
        assert [part async for part in parts] == ["fruit"]


@pytest.mark.parametrize(
    "script",
    [
        writes("é", "\U0001f489", "発熱"),
        sends(*(bytes([byte]) for byte in event("é\U0001f489発熱") + event(finish="stop"))),
        sends(event("é\U0001f489発熱") + b"data: [DONE]\n\n"),
        sends(
            b": comment\r\n\r\nevent: x\r\n",
            event(""),
            'data:{"choices":[{"delta":{"content":"é\U0001f489発熱","tool_calls":[{}]}}]}\n'.encode(),
            b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n',
            b"data: [DONE]",
        ),
    ],
    ids=["parts", "bytes", "without finish_reason", "with what others send"],
)
async def test_every_way_to_stream(model: OpenAILanguageModel, server: ChatServer, script: Script) -> None:
    """However it is cut and framed."""
    server.script = script

    assert "".join(await written(model)) == "é\U0001f489発熱"


@pytest.mark.parametrize(
    "parts",
    [
        [event("Half")],
        [event("Half"), event(finish="content_filter")],
        [event("Half"), event(finish="tool_calls")],
        [event(finish="stop")],
        [b"data: [DONE]\n\n"],
        [b"<html>Bad gateway</html>"],
        [b"data: {]\n\n"],
        [b"data: []\n\n"],
        [b"data: null\n\n"],
        [b'data: {"error": {"message": "overloaded"}}\n\n'],
        [b'data: {"choices": [{"delta": {"content": 5}}]}\n\n'],
        [b'data: {"choices": [{"delta": null}]}\n\n'],
        [b'data: {"choices": [7]}\n\n'],
        [b"data: \xff\xfe\n\n"],
        [b"data: " + b"[" * 100_000 + b"\n\n"],
        [b"x" * (LINE_BYTES_MAX + 1)],
        [b": " + b"x" * 100_000 + b"\n"] * 50,
        [],
    ],
    ids=lambda parts: repr(parts)[:40],
)
async def test_what_is_no_whole_answer(
    model: OpenAILanguageModel, server: ChatServer, parts: list[bytes]
) -> None:
    """Is an error, never an end."""
    server.script = sends(*parts)

    with pytest.raises(LanguageModelUnavailable):
        await written(model)


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500])
async def test_a_model_that_refuses(model: OpenAILanguageModel, server: ChatServer, status: int) -> None:
    """Also by a redirect, which is not followed."""
    server.status = status

    with pytest.raises(LanguageModelUnavailable):
        await written(model)


@pytest.mark.parametrize(
    ("takes", "needs"),
    [
        ({"max_completion_tokens"}, "max_completion_tokens"),
        ({"max_tokens", "temperature"}, "max_tokens"),
        ({"max_tokens"}, "max_tokens"),
        (set(), None),
    ],
    ids=["a reasoning model", "an older server", "an older server with a fixed temperature", "neither"],
)
async def test_parameters_that_a_model_does_not_take(
    model: OpenAILanguageModel, server: ChatServer, takes: set[str], needs: str | None
) -> None:
    """Are left out, from then on too; the limit is given by the name that the model knows."""

    def refused(request: dict[str, Any]) -> set[str]:
        return {"max_completion_tokens", "max_tokens", "temperature"} & request.keys() - takes

    async def script(request: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        for name in sorted(refused(request))[:1]:
            yield f"{{'error': {{'message': 'Unsupported parameter', 'param': '{name}'}}}}".encode()
            return
        yield event("Grapefruit") + event(finish="stop")

    server.script, server.status_of = script, lambda request: 400 if refused(request) else 200

    assert await written(model) == ["Grapefruit"]
    before = len(server.requests)
    assert await written(model) == ["Grapefruit"]
    ((_, request),) = server.requests[before:]
    assert request.keys() - {"model", "messages", "stream"} == takes
    assert needs is None or request[needs] == 100


@pytest.mark.parametrize(
    "refusal",
    [b"{}", b"", b"\xff", b"max_tokens temperature max_completion_tokens " * 1000, b"x" * 200_000],
    ids=["of nothing", "empty", "no UTF-8", "of everything", "endless"],
)
async def test_a_request_that_is_refused(
    model: OpenAILanguageModel, server: ChatServer, refusal: bytes
) -> None:
    """Is not sent again for ever."""
    server.script, server.status = sends(refusal), 400

    with pytest.raises(LanguageModelUnavailable):
        await written(model)

    assert len(server.requests) <= REFUSALS_MAX + 1


async def test_a_connection_that_is_cut(model: OpenAILanguageModel, server: ChatServer) -> None:
    """In the middle of the answer."""

    async def script(request: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        yield event("Half")
        raise ConnectionResetError

    server.script = script
    with pytest.raises(LanguageModelUnavailable):
        await written(model)


async def test_a_model_that_is_down() -> None:
    """Nothing listens there."""
    async with open_openai_language_model(
        "http://127.0.0.1:1/v1", api_key=None, model="some-model", max_tokens=100
    ) as model:
        with pytest.raises(LanguageModelUnavailable):
            await written(model)


@pytest.mark.parametrize("before", [[], ["Half"]], ids=["at the start", "in between"])
async def test_a_model_that_is_slow(
    model: OpenAILanguageModel, server: ChatServer, before: list[str]
) -> None:
    """Is given up, and its connection closed."""
    model._first_part_seconds, model._next_part_seconds = (3.0, 0.3) if before else (0.3, 3.0)
    server.script = writes(*before, "late", pause_seconds=5)
    if not before:
        server.script = _silent

    with pytest.raises(LanguageModelTooSlow):
        await written(model)

    await _until(lambda: bool(server.left))


async def _silent(request: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    while True:
        yield b": waiting\n\n"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "script",
    [writes("too", finish="length"), writes("too", *["x" * 1000] * 10)],
    ids=["as the model says", "when the model does not stop"],
)
async def test_an_answer_that_is_too_long(
    model: OpenAILanguageModel, server: ChatServer, script: Script
) -> None:
    """Is stopped, and what was written is kept."""
    server.script = script
    parts = []

    with pytest.raises(AnswerTooLong):
        async for part in model.write(PROMPT):
            parts.append(part)  # noqa: PERF401 - it is kept when the next one fails

    assert parts[0] == "too"


async def test_what_cannot_be_sent_on(model: OpenAILanguageModel, server: ChatServer) -> None:
    """NUL and halves of characters."""
    server.script = sends(
        b'data: {"choices":[{"delta":{"content":"a\\u0000\\ud83db"}}]}\n', event(finish="stop")
    )

    assert await written(model) == ["a\ufffdb"]


async def test_closing_stops_the_model(model: OpenAILanguageModel, server: ChatServer) -> None:
    """Within a second, as the server sees it."""
    server.script = writes(*["word "] * 1000, pause_seconds=0.02)
    parts = model.write(PROMPT)
    await anext(parts)
    closed_at = asyncio.get_running_loop().time()

    await parts.aclose()

    await _until(lambda: bool(server.left))
    assert server.left[0] - closed_at < 1


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        while not holds():  # noqa: ASYNC110 the server notes it in a list
            await asyncio.sleep(0.01)
