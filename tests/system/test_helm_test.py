"""The script of `helm test` passes against a running system."""

import asyncio
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from devstack.ports import free_port

SCRIPT = Path(__file__).parents[2] / "helm" / "vestibule" / "files" / "signup.py"


async def test_a_gateway_that_refuses_connections_at_first_is_asked_again(base_url: str) -> None:
    """As a network with policies does until it knows the address of the pod that asks."""
    port = free_port()
    script = await asyncio.create_subprocess_exec(
        sys.executable, "-u", SCRIPT, env={"GATEWAY_URL": f"http://127.0.0.1:{port}"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert script.stdout is not None
    assert b"refused" in await script.stdout.readline()

    async with await asyncio.start_server(partial(_forward, base_url), "127.0.0.1", port):
        printed, _ = await asyncio.wait_for(script.communicate(), 60)

    assert script.returncode == 0, printed.decode()
    assert b"signed up, in, out and erased" in printed


async def _forward(base_url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries a connection on to the gateway."""
    gateway = urlsplit(base_url)
    its_reader, its_writer = await asyncio.open_connection(gateway.hostname, gateway.port)
    await asyncio.gather(_copy(reader, its_writer), _copy(its_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
