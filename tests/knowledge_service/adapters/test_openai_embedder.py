"""The embedder over HTTP, against a real server that answers as the test says."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from knowledge_service.adapters import openai_embedder
from knowledge_service.adapters.openai_embedder import OpenAIEmbedder, open_openai_embedder
from knowledge_service.domain.embedder import EmbedderUnavailable
from knowledge_service.usecases.search import EMBEDDING_SECONDS

Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


def embedded(request: dict[str, Any], vector: Callable[[str], list[Any]]) -> tuple[int, bytes]:
    """The response of a server that works, in an order of its own."""
    data = [{"index": index, "embedding": vector(text)} for index, text in enumerate(request["input"])]
    return 200, json.dumps({"object": "list", "data": data[::-1]}).encode()


@dataclass
class Server:
    """An HTTP server with one route.

    Attributes:
        answer: Makes the status and body of a response.
        requests: What was sent to it, with the head.
    """

    answer: Answer = lambda request: embedded(request, lambda text: [float(len(text)), 0.0, 2.0])
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    delay_seconds: float = 0.0
    serving: list[asyncio.Task[None]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection until it, or the test, ends."""
        task = asyncio.current_task()
        assert task is not None
        self.serving.append(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await self._answer_all(reader, writer)
        writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            request = json.loads(await reader.readexactly(length))
            self.requests.append((head.decode(), request))
            await asyncio.sleep(self.delay_seconds)
            status, body = self.answer(request)
            writer.write(b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
            await writer.drain()


@pytest.fixture(name="server")
async def _server() -> Server:
    return Server()


@pytest.fixture(name="embedder")
async def _embedder(server: Server) -> AsyncIterator[OpenAIEmbedder]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    opened = open_openai_embedder(
        f"http://127.0.0.1:{port}/v1/",
        api_key="secret-key",
        model="some-model",
        dimensions=3,
        query_prefix="query: ",
    )
    async with listening:
        async with opened as embedder:
            yield embedder
        for task in server.serving:
            task.cancel()
        await asyncio.gather(*server.serving)


async def test_vectors_come_in_order_and_have_length_one(server: Server, embedder: OpenAIEmbedder) -> None:
    """By their index, whatever the order of the response; long lists go in batches."""
    texts = ["a" * (number + 1) for number in range(openai_embedder.BATCH + 3)]

    vectors = await embedder.embed_passages(texts)

    assert [vector[0] / vector[2] for vector in vectors] == pytest.approx([len(text) / 2 for text in texts])
    assert all(math.isclose(math.hypot(*vector), 1) for vector in vectors)
    assert [len(request["input"]) for _, request in server.requests] == [openai_embedder.BATCH, 3]
    head, request = server.requests[0]
    assert head.startswith("POST /v1/embeddings HTTP/1.1")
    assert "authorization: bearer secret-key" in head.lower()
    assert request["model"] == "some-model"
    assert await embedder.embed_passages([]) == []


async def test_a_query_has_the_prefix_of_its_model(server: Server, embedder: OpenAIEmbedder) -> None:
    """Some models distinguish questions from passages."""
    await embedder.embed_query("fever")

    assert server.requests[0][1]["input"] == ["query: fever"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"data": []}',
        b'{"data": null}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"index": 1, "embedding": [1, 2, 3]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 2]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 2, 3, 4]}]}',
        b'{"data": [{"index": 0, "embedding": [0, 0, 0]}]}',
        b'{"data": [{"index": 0, "embedding": [1, NaN, 0]}]}',
        b'{"data": [{"index": 0, "embedding": [1e308, 1e308, 1e308]}]}',
        b'{"data": [{"index": 0, "embedding": ["1", "2", "3"]}]}',
        b'{"data": [{"index": 0, "embedding": "AACAPwAAgD8AAIA/"}]}',
        b'{"data": [{"index": 0, "embedding": [1%s, 0, 0]}]}' % (b"0" * 400),
        b'{"data": [{"index": [], "embedding": [1, 2, 3]}]}',
        b'{"data": ' + b"[" * 100_000,
        b" " * (openai_embedder.RESPONSE_LIMIT_BYTES + 1),
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
async def test_garbage_is_unavailable(server: Server, embedder: OpenAIEmbedder, body: bytes) -> None:
    """Nothing of it becomes a vector."""
    server.answer = lambda _: (200, body)

    with pytest.raises(EmbedderUnavailable):
        await embedder.embed_passages(["fever"])


@pytest.mark.parametrize("status", [301, 400, 401, 404])
async def test_a_refusal_is_not_repeated(server: Server, embedder: OpenAIEmbedder, status: int) -> None:
    """Asking again would not help."""
    server.answer = lambda _: (status, b"{}")

    with pytest.raises(EmbedderUnavailable):
        await embedder.embed_passages(["fever"])
    assert len(server.requests) == 1


async def test_a_failure_is_repeated_once(server: Server, embedder: OpenAIEmbedder) -> None:
    """A server that is starting or busy often answers the second time."""
    works = server.answer
    server.answer = lambda request: works(request) if len(server.requests) == 2 else (503, b"busy")

    assert len(await embedder.embed_passages(["fever"])) == 1

    server.answer = lambda _: (503, b"busy")
    with pytest.raises(EmbedderUnavailable):
        await embedder.embed_passages(["fever"])
    assert len(server.requests) == 4


async def test_searches_do_not_wait_for_a_server_that_hangs(
    server: Server, embedder: OpenAIEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first query waits for the time limit, the next ones fail at once for a while."""
    assert openai_embedder.QUERY_TIMEOUT_SECONDS < EMBEDDING_SECONDS, "else the search gives up first"
    monkeypatch.setattr(openai_embedder, "QUERY_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(openai_embedder, "HOLD_SECONDS", 60.0)
    server.delay_seconds = 30

    for _ in range(20):
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed_query("fever")
    assert len(server.requests) <= 1

    server.delay_seconds = 0
    monkeypatch.setattr(openai_embedder, "QUERY_TIMEOUT_SECONDS", 30.0)
    monkeypatch.setattr(embedder, "_held_until", 0.0)
    assert await embedder.embed_query("fever")


async def test_nothing_listens() -> None:
    """A connection that is refused is unavailable, too."""
    async with open_openai_embedder(
        "http://127.0.0.1:1/v1", api_key=None, model="m", dimensions=3
    ) as embedder:
        with pytest.raises(EmbedderUnavailable):
            await embedder.embed_query("fever")


async def test_the_callers_cancellation_is_not_swallowed(server: Server, embedder: OpenAIEmbedder) -> None:
    """Who stops waiting is not answered with an error of the embedder."""
    server.delay_seconds = 30
    waiting: Awaitable[object] = asyncio.ensure_future(embedder.embed_passages(["fever"]))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, 0.1)
