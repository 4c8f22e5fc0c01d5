"""HTTP by hand, for requests that no client library sends."""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.gateway.stack import Gateway
from tests.waiting import WITHIN_SECONDS

HOST = b"Host: vestibule\r\n"
SILENT_SECONDS = 1.0


@dataclass(frozen=True)
class Got:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The error's code; empty for a success."""
        return self.body["error"]["code"] if self.body["error"] else ""


async def send(gateway: Gateway, *pieces: bytes) -> bytes:
    """Sends bytes; returns what comes back until the gateway closes, or is silent after its first bytes."""
    address = gateway.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.02)
    got = await asyncio.wait_for(reader.read(65536), WITHIN_SECONDS)
    with suppress(TimeoutError):
        while more := await asyncio.wait_for(reader.read(65536), SILENT_SECONDS):
            got += more
    writer.close()
    return got


def parsed(raw: bytes) -> Got:
    """Returns the first answer in what came back."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = rest[: int(headers["content-length"])]
    return Got(int(status.split()[1]), headers, json.loads(body))


async def ask(gateway: Gateway, *pieces: bytes) -> Got:
    """Sends bytes and returns the first answer, as soon as it is there."""
    address = gateway.http.base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.02)
    async with asyncio.timeout(WITHIN_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        assert length is not None, head
        got = head + await reader.readexactly(int(length[1]))
    writer.close()
    return parsed(got)
