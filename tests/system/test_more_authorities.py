"""Servers of others whose certificates an authority of one's own has signed, which `SSL_CERT_FILE` names."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from chassis.clock import SystemClock
from chassis.http.client import Progress, exchange
from health_aggregator.adapters.tls_check import TlsCheck
from health_aggregator.domain.check import Outcome
from knowledge_service.adapters.openai_embedder import open_openai_embedder
from knowledge_service.adapters.openai_language_model import open_openai_language_model
from knowledge_service.adapters.qdrant_index import open_qdrant_index
from knowledge_service.domain.language_model import Prompt
from voice_service.adapters.deepgram_transcriber import DeepgramTranscriber
from voice_service.adapters.openai_speech import open_openai

from chassis import tls
from tests.chassis.grpc.authority import Authority


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Runs a server that knows no path; yields where it is and the first lines that come by TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            lines.append(await reader.readline())
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", lines


async def _ask(where: str) -> None:
    await exchange(f"https://{where}/", progress=Progress())


async def _embed(where: str) -> None:
    async with open_openai_embedder(f"https://{where}", api_key=None, model="m", dimensions=3) as embedder:
        await embedder.embed_query("why")


async def _answer(where: str) -> None:
    async with open_openai_language_model(f"https://{where}", api_key=None, model="m", max_tokens=9) as model:
        async for _ in model.write(Prompt("be brief", "why", 0)):
            pass


async def _index(where: str) -> None:
    async with open_qdrant_index(f"https://{where}", api_key=None, model="m", dimensions=384) as index:
        await index.remove(uuid4())


async def _speak(where: str) -> None:
    async with open_openai(f"https://{where}", None) as client:
        await client.get("/")


async def _transcribe(where: str) -> None:
    utterance = await DeepgramTranscriber(f"wss://{where}", "key", "m").open("en")
    await utterance.close()


@pytest.mark.parametrize("call", [_ask, _embed, _answer, _index, _speak, _transcribe])
async def test_an_authority_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[str], Awaitable[None]]
) -> None:
    """Nothing is sent to a server without it; with it the request comes."""
    Authority().write(tmp_path)
    async with _server(tmp_path) as (where, lines):
        for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            monkeypatch.delenv(variable, raising=False)
        tls.default_context.cache_clear()
        with suppress(Exception):
            await call(where)
        assert lines == []
        assert (await TlsCheck(where, SystemClock())(1.0)).outcome is Outcome.DOWN

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
        tls.default_context.cache_clear()
        with suppress(Exception):
            await call(where)
        assert lines
        assert (await TlsCheck(where, SystemClock())(1.0)).outcome is not Outcome.DOWN
    tls.default_context.cache_clear()
