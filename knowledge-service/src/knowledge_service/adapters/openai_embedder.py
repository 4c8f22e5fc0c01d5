"""An embedding model behind OpenAI's HTTP interface, which vLLM, Ollama, llama.cpp and others serve too."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx
from chassis.tls import default_context

from knowledge_service.domain.embedder import EmbedderUnavailable, Vector

BATCH = 64
RESPONSE_LIMIT_BYTES = 16 * 1024 * 1024
QUERY_TIMEOUT_SECONDS = 1.5
"""Less than a search waits (`EMBEDDING_SECONDS` of `usecases/search.py`): so a slow server is noted here."""

PASSAGES_TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 0.2
HOLD_SECONDS = 5.0
"""For how long after a failure queries are not even sent: searches do without, instead of waiting each."""

_GARBAGE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""What reading a response raises that is not what the interface promises."""

_RETRIED = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


@asynccontextmanager
async def open_openai_embedder(
    url: str,
    *,
    api_key: str | None,
    model: str,
    dimensions: int,
    query_prefix: str = "",
    passage_prefix: str = "",
) -> AsyncIterator["OpenAIEmbedder"]:
    """Opens the connections to a model, which need not be reachable yet.

    Args:
        url: Where the interface begins, usually with `/v1`.
        api_key: The bearer token, if one is needed.
        model: The model's name there.
        dimensions: The length of its vectors.
        query_prefix: What the model wants before a question, such as `query: `.
        passage_prefix: What it wants before a passage, such as `passage: `.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx.AsyncClient(
        base_url=url.rstrip("/"),
        headers=headers,
        trust_env=False,
        timeout=PASSAGES_TIMEOUT_SECONDS,
        verify=default_context(),
    ) as client:
        yield OpenAIEmbedder(client, model, dimensions, query_prefix, passage_prefix)


class OpenAIEmbedder:
    """`Embedder` by `POST /embeddings`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        model: str,
        dimensions: int,
        query_prefix: str = "",
        passage_prefix: str = "",
    ) -> None:
        self.model = model
        self.dimensions = dimensions
        self._client = client
        self._query_prefix = query_prefix
        self._passage_prefix = passage_prefix
        self._held_until = 0.0

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Returns a vector for each text, in order."""
        vectors: list[Vector] = []
        for begin in range(0, len(texts), BATCH):
            batch = [self._passage_prefix + text for text in texts[begin : begin + BATCH]]
            vectors += await self._embed(batch, PASSAGES_TIMEOUT_SECONDS)
        return vectors

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of a question."""
        if time.monotonic() < self._held_until:
            raise EmbedderUnavailable
        try:
            (vector,) = await self._embed([self._query_prefix + text], QUERY_TIMEOUT_SECONDS)
        except EmbedderUnavailable:
            self._held_until = time.monotonic() + HOLD_SECONDS
            raise
        return vector

    async def _embed(self, texts: Sequence[str], timeout_seconds: float) -> list[Vector]:
        request = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        try:
            async with asyncio.timeout(timeout_seconds):
                body = await self._post(request)
            return _vectors(json.loads(body), len(texts), self.dimensions)
        except (TimeoutError, httpx.HTTPError, *_GARBAGE) as error:
            raise EmbedderUnavailable from error

    async def _post(self, request: object) -> bytes:
        """Sends a request, and once again if that may help."""
        try:
            status, body = await self._exchange(request)
        except httpx.TransportError:
            status, body = None, b""
        if status is None or status in _RETRIED:
            await asyncio.sleep(RETRY_SECONDS)
            status, body = await self._exchange(request)
        if status != HTTPStatus.OK:
            raise ValueError(f"status {status}")
        return body

    async def _exchange(self, request: object) -> tuple[int, bytes]:
        async with self._client.stream("POST", "/embeddings", json=request) as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > RESPONSE_LIMIT_BYTES:
                    raise ValueError("the response is too large")
            return response.status_code, bytes(body)


def _vectors(body: Any, count: int, dimensions: int) -> list[Vector]:
    """Returns the vectors of a response, by their index and with length 1.

    Raises:
        ValueError: it is not one vector of these dimensions for each text.
        TypeError: something in it has another type.
        LookupError: something in it is missing.
    """
    found = {item["index"]: item["embedding"] for item in body["data"]}
    if len(body["data"]) != count or set(found) != set(range(count)):
        raise ValueError("not one vector for each text")
    return [_unit(found[index], dimensions) for index in range(count)]


def _unit(vector: list[float], dimensions: int) -> Vector:
    length = math.sqrt(math.fsum(value * value for value in vector))
    if len(vector) != dimensions or not math.isfinite(length) or length == 0:
        raise ValueError(f"{len(vector)} dimensions instead of {dimensions}, or no direction")
    return [value / length for value in vector]
