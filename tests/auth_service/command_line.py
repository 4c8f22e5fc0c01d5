"""`python -m auth_service` as a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests import command_line

Environment = dict[str, str]


@asynccontextmanager
async def process(environment: Environment, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs it until the end of the block, and ends it if it still runs then."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "auth_service", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.communicate()


async def output_of(environment: Environment, *arguments: str) -> tuple[int | None, str]:
    """Runs it to its end; returns its status and what it wrote."""
    async with process(environment, *arguments) as running:
        output, _ = await asyncio.wait_for(running.communicate(), 30)
        return running.returncode, output.decode()


async def ran(environment: Environment, *arguments: str) -> tuple[int, str]:
    """Runs a command in this process, which is quicker; returns its status and what it wrote."""
    return await asyncio.to_thread(command_line.ran, "auth_service", environment, *arguments)
