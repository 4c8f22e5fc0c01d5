"""What open streams take of a gateway's memory, what it keeps of them, and what a blocked reader takes."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus


@dataclass(frozen=True, slots=True)
class Edge:
    """A process at the edge; `echo` is empty for one that does JSON lines alone; not all need a token."""

    name: str
    port: int
    pid: int
    echo: str
    follow: str
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What each request has."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def request(self, path: str, accept: str = "*/*") -> bytes:
        """Returns a GET request."""
        fields = {"Host": "bench", "Accept": accept, **self.headers}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode()


async def memory(edge: Edge, number: int) -> dict[str, float]:
    """Returns the memory of open WebSockets, after they left, and of a client that does not read."""
    before = _resident_bytes(edge.pid)
    url = f"ws://127.0.0.1:{edge.port}{edge.echo}"
    opened: list[ClientConnection] = []
    refused = 0
    for begin in range(0, number, 50):
        size = min(50, number - begin)
        batch = [
            connect(
                url,
                compression=None,
                proxy=None,
                ping_interval=None,
                open_timeout=60,
                additional_headers=edge.headers,
            )
            for _ in range(size)
        ]
        for each in await asyncio.gather(*batch, return_exceptions=True):
            if isinstance(each, ClientConnection):
                opened.append(each)
            elif isinstance(each, InvalidStatus):
                refused += 1
            else:
                raise each
    held = _resident_bytes(edge.pid)
    for client in opened:
        client.transport.abort()
    await _all_closed(edge)
    left = _resident_bytes(edge.pid)
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=1024)
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 a client that never reads
    writer.write(edge.request(f"{edge.follow}?size=1"))
    peak = left
    for _ in range(50):
        await asyncio.sleep(0.1)
        peak = max(peak, _resident_bytes(edge.pid))
    writer.transport.abort()
    return {
        "WebSockets opened": len(opened),
        "refused": refused,
        "MB for all": round((held - before) / 2**20, 1),
        "KB per WebSocket": round((held - before) / len(opened) / 1024, 1),
        "MB after they left": round((left - before) / 2**20, 1),
        "MB for a client that does not read": round((peak - left) / 2**20, 1),
    }


async def _all_closed(edge: Edge) -> None:
    """Waits until the edge says that no stream is open, and a moment for what that frees."""
    async with asyncio.timeout(120):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            text = await reader.read()
            writer.close()
            if b'gateway_streams_open{method="Echo"} 0.0' in text:
                break
            await asyncio.sleep(0.5)
    await asyncio.sleep(1)


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
