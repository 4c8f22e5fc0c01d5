"""A client that sends the same head whole, which may be a repeat, or in two pieces, which is read."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.gateway.stack import Gateway
from tests.waiting import WITHIN_SECONDS

_ID = r"[A-Za-z0-9._-]{1,128}"
_UNIQUE = re.compile(
    rf'(x-request-id: |"request_id":"){_ID}|(date: |"timestamp":")[^\r"]*|(;t=)\d+|("duration_ms":)[\d.]+'
    r'|("trace_id":")[0-9a-f]{32}'
)


@dataclass
class Client:
    """A client that sends the same head whole, which may be a repeat, or in two pieces, which is read."""

    gateway: Gateway
    connection: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, head: bytes, *, read: bool = False) -> str:
        """Returns the response as it came."""
        if not self.connection:
            address = self.gateway.http.base_url
            self.connection.append(await asyncio.open_connection(address.host, address.port))
        reader, writer = self.connection[0]
        writer.write(head[:9] if read else head)
        if read:
            await asyncio.sleep(0.003)
            writer.write(head[9:])
        async with asyncio.timeout(WITHIN_SECONDS):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer)
            answer += await reader.readexactly(int(length[1])) if length else b""
        if b"\r\nconnection: close" in answer:
            await self.close()
        return answer.decode()

    async def close(self) -> None:
        """Ends the connection."""
        while self.connection:
            self.connection.pop()[1].close()


@asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[Client]:
    """Connects a client."""
    client = Client(gateway)
    try:
        yield client
    finally:
        await client.close()


def head(token: str, *lines: str, target: str = "/api/users/me") -> bytes:
    """Returns the head of a read."""
    fields = ("Host: vestibule", f"Authorization: Bearer {token}", *lines)
    return "".join(f"{line}\r\n" for line in (f"GET {target} HTTP/1.1", *fields, "")).encode()


def plain(text: str) -> str:
    """Returns a response or lines without what differs each time."""
    return _UNIQUE.sub(lambda match: next(group for group in match.groups() if group) + "*", text)
