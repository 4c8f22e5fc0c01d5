"""A server that speaks OpenAI's streamed chat interface as the test says, and sees its clients leave."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Script = Callable[[dict[str, Any]], AsyncGenerator[bytes, None]]


def event(content: str | None = None, finish: str | None = None) -> bytes:
    """Returns an event as vLLM and others send it."""
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


def writes(*parts: str, pause_seconds: float = 0.0, finish: str | None = "stop") -> Script:
    """Returns the script of a model that writes these parts one by one."""

    async def script(request: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        for part in parts:
            yield event(part)
            await asyncio.sleep(pause_seconds)
        if finish is not None:
            yield event(finish=finish)
            yield b"data: [DONE]\n\n"

    return script


@dataclass
class ChatServer:
    """A server with one route.

    Attributes:
        script: Yields what is sent, part by part.
        status: Of every response.
        status_of: Of the response to a request, instead.
        requests: Heads and bodies of what was sent to it.
        left: When a client had closed its connection before the script's end: monotonic times of this server.
    """

    script: Script = field(default_factory=lambda: writes("Grapefruit raises warfarin [1]."))
    status: int = 200
    status_of: Callable[[dict[str, Any]], int] | None = None
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    url: str = ""

    async def start(self) -> asyncio.Server:
        """Listens on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            request = json.loads(await reader.readexactly(length))
            self.requests.append((head.decode(), request))
            sending = asyncio.ensure_future(self._send(writer, request))
            leaving = asyncio.ensure_future(reader.read(1))
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done() or isinstance(sending.exception(), ConnectionError):
                self.left.append(asyncio.get_running_loop().time())
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        status = self.status if self.status_of is None else self.status_of(request)
        writer.write(
            b"HTTP/1.1 %d -\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" % status
        )
        async for part in self.script(request):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


@contextmanager
def running_chat_server() -> Iterator[ChatServer]:
    """Runs a server in a thread of its own, for tests whose client is another process."""
    server, ready, loop = ChatServer(), threading.Event(), asyncio.new_event_loop()

    def run() -> None:
        listening = loop.run_until_complete(server.start())
        ready.set()
        loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
