"""A language model behind OpenAI's streamed chat interface, which vLLM, Ollama and others serve too."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx
from chassis.tls import default_context

from knowledge_service.domain.language_model import (
    AnswerTooLong,
    LanguageModelTooSlow,
    LanguageModelUnavailable,
    Prompt,
)

CONNECT_SECONDS = 5.0
FIRST_PART_SECONDS = 30.0
NEXT_PART_SECONDS = 15.0
WHOLE_SECONDS = 120.0
LINE_BYTES_MAX = 256 * 1024
RESPONSE_BYTES_MAX = 4 * 1024 * 1024
CHARACTERS_PER_TOKEN = 16
"""A generous estimate, to stop models that ignore the limit that is sent to them."""

REFUSALS_MAX = 3
"""How often in one answer parameters are left out that the model refuses."""

REFUSAL_BYTES_MAX = 64 * 1024

_GARBAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What reading an event raises that is not what the interface promises."""


@asynccontextmanager
async def open_openai_language_model(
    url: str, *, api_key: str | None, model: str, max_tokens: int
) -> AsyncIterator["OpenAILanguageModel"]:
    """Opens the connections to a model, which need not be reachable yet.

    Args:
        url: Where the interface begins, usually with `/v1`.
        api_key: The bearer token, if one is needed.
        model: The model's name there.
        max_tokens: The longest answer.
    """
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    async with httpx.AsyncClient(
        base_url=url.rstrip("/"),
        headers=headers,
        trust_env=False,
        verify=default_context(),
        # The times of parts are limited below.
        timeout=httpx.Timeout(WHOLE_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
    ) as client:
        yield OpenAILanguageModel(client, model, max_tokens)


class OpenAILanguageModel:
    """`LanguageModel` by `POST /chat/completions`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        model: str,
        max_tokens: int,
        *,
        first_part_seconds: float = FIRST_PART_SECONDS,
        next_part_seconds: float = NEXT_PART_SECONDS,
    ) -> None:
        """Takes the connections and the limits.

        Args:
            client: With the model's address and key.
            model: The model's name there.
            max_tokens: The longest answer.
            first_part_seconds: How long the first words may take.
            next_part_seconds: How long each pause after them may take.
        """
        self._client = client
        self._model = model
        self._max_tokens = max_tokens
        self._parameters: Mapping[str, int] = {"max_completion_tokens": max_tokens, "temperature": 0}
        self._first_part_seconds = first_part_seconds
        self._next_part_seconds = next_part_seconds

    async def write(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Yields the answer in parts; closing the generator closes the connection, which stops the model."""
        end = time.monotonic() + WHOLE_SECONDS
        seconds, characters = self._first_part_seconds, 0
        async with aclosing(self._parts(prompt)) as parts:
            while True:
                part_end = min(end, time.monotonic() + seconds)
                try:
                    async with asyncio.timeout(part_end - time.monotonic()):
                        part = await anext(parts)
                except StopAsyncIteration:
                    break
                except TimeoutError as error:
                    raise LanguageModelTooSlow from error
                except (httpx.HTTPError, httpx.StreamError, *_GARBAGE) as error:
                    raise LanguageModelUnavailable from error
                yield part
                seconds, characters = self._next_part_seconds, characters + len(part)
                if characters > self._max_tokens * CHARACTERS_PER_TOKEN:
                    raise AnswerTooLong
        if not characters:
            raise LanguageModelUnavailable

    async def _parts(self, prompt: Prompt) -> AsyncGenerator[str, None]:
        """Yields the content of each event until the model says that it has finished.

        Raises:
            ValueError: the response is not the interface's, or ends before the answer is whole.
            AnswerTooLong: the model has reached the limit.
        """
        request = {
            "model": self._model,
            "messages": [
                {"role": "system", "content": prompt.instructions},
                {"role": "user", "content": prompt.question},
            ],
            "stream": True,
        }
        for _ in range(REFUSALS_MAX + 1):
            parameters = self._parameters
            async with self._client.stream(
                "POST", "/chat/completions", json={**request, **parameters}
            ) as response:
                if response.status_code == HTTPStatus.BAD_REQUEST:
                    self._parameters = _without_refused(parameters, await _refusal(response))
                    continue
                if response.status_code != HTTPStatus.OK:
                    raise ValueError(f"status {response.status_code}")
                async with aclosing(_contents(response)) as contents:
                    async for content in contents:
                        yield content
                return
        raise ValueError("the model refuses the request")


async def _contents(response: httpx.Response) -> AsyncGenerator[str, None]:
    async with aclosing(_events(response)) as events:
        async for data in events:
            if data == "[DONE]":
                return
            event = json.loads(data)
            # Some send an event without choices that counts tokens.
            for choice in event["choices"][:1]:
                if content := _content(choice):
                    yield content
                finish = choice.get("finish_reason")
                if finish == "length":
                    raise AnswerTooLong
                if finish == "stop":
                    return
                if finish is not None:
                    raise ValueError("the model did not finish its answer")
    raise ValueError("the answer ends before it is whole")


async def _refusal(response: httpx.Response) -> str:
    """Returns the beginning of an error."""
    received = b""
    async for chunk in response.aiter_raw():
        received += chunk
        if len(received) > REFUSAL_BYTES_MAX:
            break
    return received.decode(errors="replace")


def _without_refused(parameters: Mapping[str, int], refusal: str) -> Mapping[str, int]:
    """Returns the parameters without the one that an error names.

    Reasoning models take one temperature only. Older servers know the limit as `max_tokens`, which
    newer models refuse.

    Raises:
        ValueError: it names none.
    """
    for name, value in parameters.items():
        if name in refusal:
            rest = {other: parameters[other] for other in parameters if other != name}
            return {**rest, "max_tokens": value} if name == "max_completion_tokens" else rest
    raise ValueError("the model refuses the request")


def _content(choice: dict[str, Any]) -> str:
    """Returns the text of an event; reasoning and calls of tools, of which the model has none, are left out.

    Raises:
        TypeError: it is no text.
    """
    content = choice["delta"].get("content") or ""
    if not isinstance(content, str):
        raise TypeError("the content is no text")
    # JSON can hold halves of characters, which nothing after this could send.
    return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


async def _events(response: httpx.Response) -> AsyncGenerator[str, None]:
    """Yields the data of each event.

    Raises:
        ValueError: a line or the response is too long, or is not UTF-8.
    """
    held, received = b"", 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        *lines, held = (held + chunk).split(b"\n")
        if received > RESPONSE_BYTES_MAX or len(held) > LINE_BYTES_MAX:
            raise ValueError("the response is too long")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").decode().strip()
    if held.startswith(b"data:"):
        yield held.removeprefix(b"data:").decode().strip()
